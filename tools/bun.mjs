/**
 * Starts Bun under Node, for npm scripts: `node tools/bun.mjs <arguments of bun>`. The npm package `bun` puts the real
 * binary in place in its postinstall script; where scripts are off (`npm ci --ignore-scripts`) a text placeholder
 * stands there and the binary is in its platform package. Both places are tried, and a binary counts when it answers.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

/** Smaller files are the placeholder. */
const binaryBytesMin = 1024 * 1024;

function candidates() {
  const vendor = join(modules, '@oven');
  let platforms = [];
  try {
    platforms = readdirSync(vendor).filter((name) => name.startsWith('bun-'));
  } catch {
    // Not there after a postinstall that moved everything.
  }
  const names = [
    ['bun', 'bin', 'bun.exe'],
    ...platforms.flatMap((name) => [
      [name, 'bin', 'bun'],
      [name, 'bin', 'bun.exe'],
    ]),
  ];
  return names.map((parts, index) => (index === 0 ? join(modules, ...parts) : join(vendor, ...parts)));
}

function answers(path) {
  try {
    if (statSync(path).size < binaryBytesMin) return false;
  } catch {
    return false;
  }
  const run = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  return run.status === 0 && /^\d+\.\d+/.test(run.stdout);
}

const bun = candidates().find(answers);
if (bun === undefined) {
  console.error('no working Bun binary below node_modules; run `npm ci` in the root of the project first');
  process.exit(127);
}

const child = spawn(bun, process.argv.slice(2), { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // Ctrl-C reaches the whole foreground group: passing it on would be a second one, which means "now".
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('error', (error) => {
  console.error(`cannot start ${bun}: ${error.message}`);
  process.exit(126);
});
child.on('exit', (status, signal) => process.exit(status ?? 128 + (constants.signals[signal] ?? 0)));
