/** Real programs in a sandbox, before anybody relies on one (verification SB1). */
import { existsSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SandboxJobInput, sandboxJobSchema, type SandboxResult } from '@labmesh/wire/verification/sandbox';
import { bunInside } from './job-command.ts';
import type { NamespaceHost } from './namespace-host.ts';
import { runNamespace } from './run-namespace.ts';
import { scannerFolders, scannerNames, scannerStarts } from '../scanner-starts.ts';

const limits = { wallMs: 20_000, cpuMs: 20_000 };
const text = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');

/** What each interpreter prints; the version is the first thing like one. */
const interpreters: Readonly<Record<string, readonly string[]>> = {
  python: ['/usr/bin/python3', '-c', 'import platform; print(platform.python_version())'],
  bash: ['/usr/bin/bash', '-c', 'echo $BASH_VERSION'],
};

const run = (host: NamespaceHost, job: SandboxJobInput): Promise<SandboxResult> =>
  runNamespace(host, sandboxJobSchema.parse({ limits, ...job }), 'probe');

/** Lines of /proc/PID/status that say what a process may do. */
const wanted = { CapInh: /^0+$/, CapPrm: /^0+$/, CapEff: /^0+$/, CapBnd: /^0+$/, NoNewPrivs: /^1$/, Seccomp: /^2$/ };

function statusFault(status: string): string | undefined {
  const fault = Object.entries(wanted).find(
    ([name, pattern]) => !pattern.test(new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(status)?.[1] ?? ''),
  );
  return fault === undefined ? undefined : `a program inside had the wrong ${fault[0]}`;
}

async function versionOf(
  host: NamespaceHost,
  argv: readonly string[],
  more: Pick<SandboxJobInput, 'env' | 'files'> = {},
): Promise<string | undefined> {
  const { exit, stdout } = await run(host, { ...more, argv: [...argv] });
  return exit === 'ok' ? /\d+(?:\.\d+)+/.exec(text(stdout))?.[0] : undefined;
}

const bunWords = [bunInside, '-e', 'console.log(Bun.version)'];

/** Bun as it lies, or a copy: sandboxes cannot read what is in a closed home folder. */
async function findBun(host: NamespaceHost, bunPath: string): Promise<string | undefined> {
  host.bunPath = bunPath;
  const asItLies = await versionOf(host, bunWords);
  if (asItLies !== undefined || host.uids === undefined) return asItLies;
  const copy = join(host.folder, 'bun');
  await copyFile(bunPath, copy);
  await chmod(copy, 0o755);
  host.bunPath = copy;
  return versionOf(host, bunWords);
}

/** Those that verifiers use where they are (verification BR2). They are slow to start, so that only what is there is asked. */
async function findScanners(host: NamespaceHost): Promise<void> {
  const present = scannerNames.filter((name) => scannerFolders.some((folder) => existsSync(`${folder}/${name}`)));
  await Promise.all(
    present.map(async (name) => {
      const version = await versionOf(host, ['/usr/bin/env', name, '--version'], scannerStarts[name]);
      if (version !== undefined) host.tools[name] = version;
    }),
  );
}

/** What the chain said, with the way out of the usual cause. */
function setupReason(host: NamespaceHost): string {
  const said = host.setupFault ?? 'no sandbox could be made';
  const isBlocked = /namespace|uid map/i.test(said);
  return isBlocked ? `${said}; allow user namespaces (sysctl user.max_user_namespaces, or an AppArmor profile)` : said;
}

/** Fills in `tools` and `bunPath` of the host. Gives the reason why the level is not ready, or undefined. */
export async function probeNamespace(host: NamespaceHost, bunPath: string): Promise<string | undefined> {
  try {
    const file = { path: 'probe/file', content: Buffer.from('seen').toString('base64') };
    const first = await run(host, { argv: ['/usr/bin/cat', 'probe/file', '/proc/self/status'], files: [file] });
    if (first.error !== null) return setupReason(host);
    const status = text(first.stdout);
    if (first.exit !== 'ok' || !status.startsWith('seen')) return 'a program inside could not read its input file';
    const fault = statusFault(status);
    if (fault !== undefined) return fault;
    for (const [name, argv] of Object.entries(interpreters)) {
      const version = await versionOf(host, argv);
      if (version !== undefined) host.tools[name] = version;
    }
    await findScanners(host);
    const bun = await findBun(host, bunPath);
    if (bun === undefined) host.bunPath = undefined;
    else host.tools['bun'] = bun;
    return undefined;
  } catch (error) {
    return `the probe failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}
