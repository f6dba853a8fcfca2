import { readFileSync } from 'node:fs';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { chainView } from '../../output/trust-views.ts';

/** As the contract bounds it. */
const checkpointCharsMax = 65_536;

/** @throws CommandError (exit 2) */
function readCheckpoint(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandError(`--checkpoint: ${path} cannot be read (${code})`, { exitCode: exitCodes.usage });
  }
  if (text.length <= checkpointCharsMax) return text;
  throw new CommandError(`--checkpoint: ${path} is larger than ${checkpointCharsMax} characters`, {
    hint: 'give the newest checkpoints only, such as the last lines of what the file sink wrote',
    exitCode: exitCodes.usage,
  });
}

/** AU-7: labd computes, this names seq and kind and gives the exit code that a cron job looks at. */
export const auditVerify = defineFleetCommand({
  name: 'audit verify',
  summary:
    'Computes the chains of the audit log anew and names the first row that is not as it was written, and how: edited, ' +
    'deleted, reordered, truncated, wrong-key. A checkpoint that was kept elsewhere also finds a cut end. Exit code 1 when ' +
    'something is wrong.',
  usage: 'labctl audit verify [--chain ID] [--from SEQ] [--checkpoint FILE]',
  examples: ['labctl audit verify', 'labctl audit verify --checkpoint /mnt/safe/checkpoints.jsonl'],
  options: {
    chain: { type: 'string', flag: 'chain', placeholder: 'ID', help: 'this chain only; there is one for each replica' },
    from: { type: 'integer', flag: 'from', min: 1, placeholder: 'SEQ', help: 'from this row on' },
    checkpoint: {
      type: 'string',
      flag: 'checkpoint',
      placeholder: 'FILE',
      help: 'signed heads that were kept elsewhere',
    },
  },
  positionalsMax: 0,
  async run({ values, labd, result, note, world }) {
    const { chain, from, checkpoint } = values;
    const body = {
      ...(chain !== undefined && { chain }),
      ...(from !== undefined && { from }),
      ...(checkpoint !== undefined && { checkpoint: readCheckpoint(checkpoint) }),
    };
    const found = await (await labd()).call('verify-audit', { body });
    const { format } = result.options;
    if (format === 'json' || format === 'yaml') await result.object(found, '');
    else await result.list({ items: found.chains, nextCursor: null }, chainView);
    const bad = found.chains.filter(({ fault }) => fault !== null);
    for (const { chain: name, fault } of bad) {
      world.stderr(`error: chain ${name}: ${fault?.kind ?? ''} at seq ${fault?.seq ?? 0}\n`);
    }
    if (found.ok) note(`${found.chains.reduce((sum, { rows }) => sum + rows, 0)} rows are as they were written`);
    return found.ok ? exitCodes.ok : exitCodes.failed;
  },
});
