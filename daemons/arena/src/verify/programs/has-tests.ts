import type { Runtime } from './interpreters.ts';

const python =
  /^(?:import (?:pytest|unittest)\b|from (?:pytest|unittest)\b|(?:async )?def test_|class \w+\([^)\n]{0,200}TestCase\))/m;
const bun = /from ['"](?:bun:test|vitest|@jest\/globals|node:test)['"]|^(?:describe|test|it)\(/m;

/** Code that brings tests of its own, by the marks that test runners look for. */
export function hasTests(runtime: Runtime, code: string): boolean {
  if (runtime === 'python') return python.test(code);
  return runtime === 'bun' && bun.test(code);
}
