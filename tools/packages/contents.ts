/** What a package of lab-agent holds, whatever its format: files, and what happens when it comes and goes. */
import { unitText } from '../../daemons/agent/src/unit/systemd-unit.ts';

export type PackedFile = {
  /** Absolute. */
  path: string;
  bytes: Uint8Array;
  mode: number;
  /** An operator changes it; an upgrade keeps that. */
  isConfig?: true;
};

export type PackageContents = {
  name: string;
  version: string;
  arch: 'x64' | 'arm64';
  summary: string;
  description: string;
  /** Unix seconds. */
  builtAt: number;
  files: PackedFile[];
  /** Shell texts: after the files are there, before they go, after they went. */
  scripts: { installed: string; removing: string; removed: string };
};

const installDir = '/opt/labmesh';
const config = '/etc/labmesh/agent.toml';

/** The unit of an installed agent. */
export const agentUnit = (): string =>
  unitText({
    run: [`${installDir}/current/lab-agent`, 'run', '--config', config],
    guard: [`${installDir}/confirmed/lab-agent`, 'guard', '--config', config],
  });

/** Settings as they come: the join command puts the rest on its own line. */
export const agentSettings = (
  releaseKey: string | undefined,
): string => `# Settings of lab-agent; \`lab-agent --help\` lists them all.
[agent]
# url = "https://labd.example:3101"
# ca_pin = "sha256:…"
# token_file = "/etc/labmesh/join-token"

# Who makes the releases: without it no update is taken.
${releaseKey === undefined ? '# release_key = "ed25519:…"' : `release_key = "${releaseKey}"`}
`;

/** Both links to the version that came, each by a rename; an agent that runs is restarted into it. */
const installed = (version: string): string => `set -e
for link in confirmed current; do
  ln -sfn "versions/${version}" "${installDir}/.$link.tmp"
  mv -fT "${installDir}/.$link.tmp" "${installDir}/$link"
done
ln -sfn ${installDir}/current/lab-agent /usr/bin/lab-agent
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
  systemctl try-restart lab-agent.service || true
fi
`;

const removing = `if [ -d /run/systemd/system ]; then
  systemctl disable --now lab-agent.service || true
fi
`;

/** Versions that labd brought are in no package's list. */
const removed = `rm -rf ${installDir}/current ${installDir}/confirmed ${installDir}/versions /usr/bin/lab-agent
rmdir ${installDir} 2>/dev/null || true
`;

export function agentPackage(options: {
  version: string;
  arch: 'x64' | 'arm64';
  program: Uint8Array;
  releaseKey: string | undefined;
  builtAt: number;
}): PackageContents {
  const { version, arch, program, releaseKey, builtAt } = options;
  const text = (content: string) => Buffer.from(content);
  return {
    name: 'lab-agent',
    version,
    arch,
    summary: 'agent of labmesh: joins this machine to labd',
    description: 'It opens the connection to labd itself; nothing listens on this machine.',
    builtAt,
    files: [
      { path: `${installDir}/versions/${version}/lab-agent`, bytes: program, mode: 0o755 },
      { path: '/usr/lib/systemd/system/lab-agent.service', bytes: text(agentUnit()), mode: 0o644 },
      { path: config, bytes: text(agentSettings(releaseKey)), mode: 0o600, isConfig: true },
    ],
    scripts: { installed: installed(version), removing, removed },
  };
}

/** Folders above the files, parents first, that are this package's own: `/opt/labmesh/versions`, … */
export function foldersOf(files: readonly PackedFile[]): string[] {
  const folders = new Set<string>();
  for (const { path } of files) {
    const words = path.split('/').slice(1, -1);
    for (let depth = 1; depth <= words.length; depth++) folders.add(`/${words.slice(0, depth).join('/')}`);
  }
  return [...folders].toSorted();
}
