import {
  type LevelReport,
  type SandboxResult,
  type SandboxRunner,
  sandboxLimitsSchema,
} from '@labmesh/wire/verification/sandbox';

/** A run at L0 that ended well and wrote nothing. */
export const sampleResult = (more: Partial<SandboxResult>): SandboxResult => ({
  id: '0190f5a0-0000-7000-8000-000000000000',
  exit: 'ok',
  code: 0,
  signal: null,
  stdout: '',
  stderr: '',
  truncated: false,
  usage: { wallMs: 1, cpuMs: 1, maxRssBytes: null },
  level: 'SANDBOX_L0_WASM',
  backend: 'quickjs',
  uidIsolated: false,
  cgroup: false,
  limits: sandboxLimitsSchema.parse({}),
  files: [],
  error: null,
  ...more,
});

export const sampleLevel = (more: Partial<LevelReport>): LevelReport => ({
  level: 'SANDBOX_L0_WASM',
  ready: true,
  backend: 'quickjs',
  version: '1',
  platform: 'linux',
  uidIsolated: false,
  cgroup: 'none',
  reason: null,
  tools: {},
  ...more,
});

/** An executor whose every answer is this one. */
export const answeringRunner = (result: Partial<SandboxResult>): SandboxRunner => ({
  run: async () => sampleResult(result),
  levels: async () => [sampleLevel({})],
});

/** An executor without any level. */
export const emptyRunner: SandboxRunner = answeringRunner({
  exit: 'refused',
  code: null,
  level: null,
  backend: null,
  error: { code: 'LEVEL_UNAVAILABLE', message: 'this program has no level' },
});
