/** Which build this is. A release is built with `--define`; from a checkout the version is that of the package. */
import type { ReleaseArch } from '@labmesh/wire/fleet/releases';
import manifest from '../package.json' with { type: 'json' };

declare const LABMESH_VERSION: string | undefined;
declare const LABMESH_LIBC: 'musl' | undefined;

export const agentVersion: string = typeof LABMESH_VERSION === 'string' ? LABMESH_VERSION : manifest.version;

const machine = process.arch === 'arm64' ? 'arm64' : 'x64';
/** What labd has to offer it: a build for this machine and C library. */
export const agentArch: ReleaseArch = typeof LABMESH_LIBC === 'string' ? `${machine}-musl` : machine;
