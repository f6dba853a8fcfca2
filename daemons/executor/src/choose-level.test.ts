import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { compareLevels, sandboxLevels } from '@labmesh/wire/verification/sandbox';
import { askedLevel, chooseLevel } from './choose-level.ts';
import { levelName, levelNames, levelOf } from './sandbox-settings.ts';
import { levelReport } from './testing/fake-sandbox.ts';

const reports = [
  levelReport('SANDBOX_L0_WASM'),
  levelReport('SANDBOX_L1_NAMESPACE'),
  levelReport('SANDBOX_L2_USERKERNEL', false),
];

test('auto takes the highest that is ready', () => {
  for (const asked of ['SANDBOX_L0_WASM', 'SANDBOX_L1_NAMESPACE'] as const) {
    expect(chooseLevel(reports, asked, { level: 'auto' })).toEqual({ level: 'SANDBOX_L1_NAMESPACE' });
  }
});

test('without one the reason is that of the machine, or that nobody built it', () => {
  expect(chooseLevel(reports, 'SANDBOX_L2_USERKERNEL', { level: 'auto' })).toMatchObject({
    level: undefined,
    reason: 'SANDBOX_L2_USERKERNEL: install nothing',
  });
  expect(chooseLevel(reports, 'SANDBOX_L3_VM_EMULATED', { level: 'auto' })).toMatchObject({
    reason: 'this program has no level from SANDBOX_L3_VM_EMULATED on',
  });
});

test('a level that the settings name is used, or none', () => {
  expect(chooseLevel(reports, 'SANDBOX_L0_WASM', { level: 'L0' })).toEqual({ level: 'SANDBOX_L0_WASM' });
  expect(chooseLevel(reports, 'SANDBOX_L1_NAMESPACE', { level: 'L0' })).toMatchObject({
    level: undefined,
    reason: 'sandbox.level is SANDBOX_L0_WASM, and SANDBOX_L1_NAMESPACE was asked for',
  });
  expect(chooseLevel(reports, 'SANDBOX_L0_WASM', { level: 'L2' }).level).toBeUndefined();
});

test('names are short forms of levels, in their order', () => {
  expect(levelNames.map(levelOf)).toEqual([...sandboxLevels]);
  expect(sandboxLevels.map(levelName)).toEqual([...levelNames]);
});

test('never one below what was asked for, by caller or operator, and never one that is not ready', () => {
  const level = fc.constantFrom(...sandboxLevels);
  const name = fc.constantFrom(...levelNames);
  const ready = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(level, name, fc.option(name, { nil: 'auto' as const }), ready, (wanted, minLevel, named, states) => {
      const asked = askedLevel(wanted, { minLevel });
      const seen = sandboxLevels.map((one, at) => levelReport(one, states[at]));
      const { level: chosen } = chooseLevel(seen, asked, { level: named });
      expect(compareLevels(asked, wanted)).toBeGreaterThanOrEqual(0);
      expect(compareLevels(asked, levelOf(minLevel))).toBeGreaterThanOrEqual(0);
      const fits = seen.filter((one) => one.ready && compareLevels(one.level, asked) >= 0);
      if (chosen === undefined) expect(named !== 'auto' || fits.length === 0).toBe(true);
      else expect(fits.map((one) => one.level)).toContain(chosen);
      if (chosen !== undefined && named !== 'auto') expect(chosen).toBe(levelOf(named));
    }),
  );
});
