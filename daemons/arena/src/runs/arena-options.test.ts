import { expect, test } from 'bun:test';
import { parseConfig } from '@labmesh/kit/config-file';
import { OptionsError, parseOptions } from '@labmesh/kit/options';
import { arenaRunOptions, readRunSettings } from './arena-options.ts';
import { runDefaults } from './run-settings.ts';

function read(toml: string, env: Record<string, string> = {}) {
  const { values, sources } = parseOptions(arenaRunOptions, { file: parseConfig('labmesh.toml', toml), env });
  return readRunSettings(values, sources);
}

function faultOf(toml: string, env: Record<string, string> = {}): OptionsError {
  try {
    read(toml, env);
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  throw new Error('no fault');
}

test('nothing written gives the documented defaults (AR1)', () => {
  expect(read('')).toEqual(runDefaults);
  const { variations, temperatures, strategy, timeoutMs, maxTokens, topP, topK, minValid } = runDefaults.shadow;
  expect([variations, temperatures.map(Number), strategy, timeoutMs, maxTokens, topP, topK, minValid]).toEqual([
    5,
    [0.1, 0.7, 1],
    'temperature_sweep',
    60_000,
    4096,
    0.95,
    50,
    1,
  ]);
});

test('temperatures are numbers, texts or a range; the two variables of the original are read', () => {
  expect(read('[arena.shadow]\ntemperatures = [0.2, 1]').shadow.temperatures).toEqual(['0.2', '1']);
  expect(read('[arena.shadow]\ntemperatures = ["0.1..0.9"]').shadow.temperatures).toEqual(['0.1..0.9']);
  const env = { SHADOW_LOOP_VARIATIONS: '3', SHADOW_LOOP_TEMPERATURE_RANGE: '0.1, 0.5' };
  expect(read('', env).shadow).toMatchObject({ variations: 3, temperatures: ['0.1', '0.5'] });
  expect(read('', { SHADOW_LOOP_TEMPERATURE_RANGE: '0..1.5' }).shadow.temperatures).toEqual(['0..1.5']);
});

test('a wrong value names its place and what is expected', () => {
  expect(faultOf('[arena.shadow]\ntemperatures = [0.2, 3]').message).toContain('labmesh.toml:2');
  expect(faultOf('', { SHADOW_LOOP_TEMPERATURE_RANGE: '1..2..3' }).message).toContain('SHADOW_LOOP_TEMPERATURE_RANGE');
  expect(faultOf('[arena.correction]\nmax_correction_attempts = 4').exitCode).toBe(3);
  expect(faultOf('[arena.prices]\nmodels = ["gpt=1"]').message).toContain('MODEL=IN:OUT');
});

test('zero leaves a value to the engine; prices by model; texts kept by tenant', () => {
  const settings = read(
    '[arena]\ncapture = ["acme"]\n[arena.shadow]\ntop_k = 0\n[arena.prices]\nmodels = ["org/m=150:600"]\n',
  );
  expect(settings.shadow.topK).toBeNull();
  expect(settings.prices.models).toEqual({ 'org/m': { inputNano: 150, outputNano: 600 } });
  expect(settings.capture).toEqual(['acme']);
});

test('what a vote counts is a finite number from 0 on (AR17)', () => {
  expect(read('[arena]\nhuman_weight = 0').humanWeight).toBe(0);
  expect(read('[arena]\nhuman_weight = 2.5').humanWeight).toBe(2.5);
  for (const wrong of ['-1', 'inf', 'nan', '1e9']) {
    expect(faultOf(`[arena]\nhuman_weight = ${wrong}`).exitCode).toBe(3);
  }
});
