/** Checks of judges that ask a gateway, as the arena has them. */
import { systemClock } from '@labmesh/kit/clock';
import { type Logger, silentLogger } from '@labmesh/kit/log';
import { gatewayGenerate } from '../../generate/gateway-generate.ts';
import { JudgeChecks } from '../judge-checks.ts';
import { judgeOf } from '../judge-of.ts';

export function openChecks(file: string, baseUrl: string, log: Logger = silentLogger): JudgeChecks {
  const asking = { generate: gatewayGenerate({ baseUrl, token: 'lmk_arena' }), clock: systemClock };
  const judge = (payer: { tenant: string; key: string }, model: string) =>
    judgeOf({ kind: 'llm', models: [model] }, { ...asking, ...payer });
  return new JudgeChecks({ file, clock: systemClock, log, judge });
}
