/** Checks of judges that ask a gateway, as the arena has them. */
import { systemClock } from '@labmesh/kit/clock';
import { type Logger, silentLogger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { gatewayGenerate } from '../../generate/gateway-generate.ts';
import { JudgeChecks } from '../judge-checks.ts';
import { judgeOf, type JudgePayer } from '../judge-of.ts';
import { JudgeTunings } from '../tune/judge-tunings.ts';

export function openChecks(file: string, baseUrl: string, log: Logger = silentLogger): JudgeChecks {
  const asking = { generate: gatewayGenerate({ baseUrl, token: 'lmk_arena' }), clock: systemClock };
  return new JudgeChecks({ file, clock: systemClock, log, judge: judgeWith(asking) });
}

/** The same for tunings. */
export function openTunings(store: Store, baseUrl: string, log: Logger = silentLogger): JudgeTunings {
  const asking = { generate: gatewayGenerate({ baseUrl, token: 'lmk_arena' }), clock: systemClock };
  return new JudgeTunings({ store, clock: systemClock, log, judge: judgeWith(asking) });
}

const judgeWith =
  (asking: Pick<JudgePayer, 'generate' | 'clock'>) =>
  (payer: { tenant: string; key: string }, model: string, text?: string) =>
    judgeOf(
      { kind: 'llm', models: [model] },
      { ...asking, ...payer, instructions: text === undefined ? [] : [{ model, text }] },
    );
