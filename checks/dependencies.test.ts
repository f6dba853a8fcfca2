import { expect, test } from 'bun:test';
import { declared, imported, reasons } from './dependencies.ts';

test('every run-time dependency has a reason, and every reason a dependency', () => {
  expect(declared()).toEqual(Object.keys(reasons).toSorted());
  for (const [name, reason] of Object.entries(reasons)) expect(reason.length, name).toBeGreaterThan(20);
});

test('what runs imports only run-time dependencies', () => {
  const undeclared = [...imported()].filter(([name]) => !declared().includes(name));
  expect(undeclared.map(([name, where]) => `${where}: ${name} is no run-time dependency`)).toEqual([]);
  expect(imported().has('zod')).toBe(true);
});
