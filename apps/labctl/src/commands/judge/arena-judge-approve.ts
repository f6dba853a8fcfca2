import { judgeApprovedSchema } from '@labmesh/wire/verification/judge-views';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { safeText } from '../../terminal/safe-text.ts';

/** AR17: the digest says what was seen, so that nobody approves of a later tuning unread. */
export const arenaJudgeApprove = defineCommand({
  name: 'arena judge approve',
  summary:
    'Has a model be told what its newest tuning found whenever it judges runs of the tenant that begin from now on; usual in ' +
    'place of the digest takes that back. What a check of it found (arena judge check) was of other instructions, and is not ' +
    'known any more.',
  usage: 'labctl arena judge approve MODEL DIGEST|usual [--json]',
  examples: ['labctl arena judge approve gpt-4o-mini 3f9a…', 'labctl arena judge approve gpt-4o-mini usual'],
  options: { ...apiOptions, ...jsonOption },
  positionalsMax: 2,
  async run({ values, positionals, world }) {
    const [model, prompt] = positionals;
    if (model === undefined || prompt === undefined) {
      throw new CommandError('name a model, and the digest of what a tuning found', {
        hint: 'labctl arena judge tune shows it',
        exitCode: exitCodes.usage,
      });
    }
    await using arena = new ArenaClient(findApi(values, world), world);
    const json = { model, prompt };
    const found = await arena.ask({ method: 'POST', path: '/api/arena/judges/approve', json }, judgeApprovedSchema);
    const told = found.approved === null ? 'the usual' : found.approved.instructions;
    world.stdout(values.json ? `${JSON.stringify(found)}\n` : `${safeText(model)} is told: ${safeText(told)}\n`);
  },
});
