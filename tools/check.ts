/** Runs every static check, all of them even when one fails: types, lint, format, unused code, and the rules of checks/. */
import { join } from 'node:path';
import { root } from '../checks/sources.ts';

const bin = (name: string) => join(root, 'node_modules/.bin', name);

const steps: readonly { name: string; command: readonly string[]; remedy: string }[] = [
  { name: 'types', command: [bin('tsc'), '--noEmit'], remedy: 'mend the types' },
  { name: 'lint', command: [bin('oxlint'), '--deny-warnings'], remedy: 'mend it, or run `npx oxlint --fix`' },
  { name: 'format', command: [bin('oxfmt'), '--check'], remedy: 'run `npm run format`' },
  { name: 'unused code', command: [bin('knip'), '--no-progress'], remedy: 'remove what nothing uses' },
  { name: 'rules', command: [process.execPath, 'test', './checks/'], remedy: 'see the style guide' },
];

const failed: string[] = [];
for (const { name, command, remedy } of steps) {
  console.log(`\n== ${name}`);
  const started = performance.now();
  const status = await Bun.spawn([...command], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).exited;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(status === 0 ? `${name}: in order (${seconds} s)` : `${name}: failed (${seconds} s); ${remedy}`);
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? '\nall checks are in order' : `\nfailed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
