/** What runs are made with: the ports to everything that they do not do themselves. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { Priority } from '@labmesh/wire/verification/priority';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Certified, FinishedRun } from '../contract/finished-run.ts';
import type { Generate } from '../contract/generate.ts';
import type { Judge, ModelInstructions } from '../contract/judge.ts';
import type { SeedProbes } from '../generate/seed-probes.ts';
import type { ToolBox } from '../generate/tools/tool-box.ts';
import type { Verification } from '../verify/verification.ts';
import type { RunSettings } from './run-settings.ts';

type JudgeAsked = { tenant: string; key: string; priority?: Priority; instructions?: readonly ModelInstructions[] };

export type RunParts = {
  store: Store;
  settings: RunSettings;
  log: Logger;
  clock: Clock;
  /**
   * Names this process in leases; two alive never share one. The same after a restart goes on with its runs at once,
   * another after their leases. Default: `local` on SQLite, else a new uuid.
   */
  owner?: string;
  generate: Generate;
  /** What candidates may call (AR18); absent = nothing. */
  tools?: Pick<ToolBox, 'select' | 'call' | 'blocked' | 'limits'>;
  /** Finds out whether engines honour seeds (AR2); absent = nobody looks. */
  seedProbes?: SeedProbes;
  /** How long a result that is there waits for that; absent = 250 ms. */
  seedWaitMs?: number;
  verification: Pick<Verification, 'verify' | 'checkNames'>;
  /** The judge of a run; `tenant` and `key` are who pays for it, `priority` is of its calls, `instructions` what its plan holds to. */
  judge: (asked: JudgeAsked) => Judge | Promise<Judge>;
  suites: { get: (tenant: string, id: string) => Promise<{ suite: Suite; sha256: string } | undefined> };
  /** Called for valid runs alone; may be called again for a run after a crash and then gives the same. */
  certify: (run: FinishedRun) => Promise<Certified | { reason: string }>;
  /** Called before the run's texts are dropped; again after a crash. Its failure is logged and changes nothing. */
  onFinished: (run: FinishedRun, certificateId: string | null) => Promise<void>;
};
