/** The openssl program as a second opinion on what we issue. Tests that use it skip where it is not installed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const hasOpenssl = Bun.which('openssl') !== null;

/** Runs openssl in a folder of its own that holds `files`; gives exit code and both outputs together. */
export function openssl(files: Readonly<Record<string, string | Uint8Array>>, ...args: string[]) {
  const cwd = mkdtempSync(join(tmpdir(), 'labmesh-openssl-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
    const { exitCode, stdout, stderr } = Bun.spawnSync(['openssl', ...args], { cwd });
    return { exitCode, output: `${stdout.toString()}${stderr.toString()}` };
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
