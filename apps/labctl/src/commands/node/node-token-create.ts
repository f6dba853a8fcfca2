import { type CreateNodeToken, createNodeTokenSchema } from '@labmesh/wire/fleet/resources/nodes';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { until } from '../../terminal/span.ts';

/** Flags by the field of the request that they fill, for errors. */
const flagOf: Readonly<Record<string, string>> = { ttlMs: '--ttl', allowRekey: '--allow-rekey' };

/** Checked here as labd will: an error names the flag and not the field. @throws CommandError (exit 2) */
function checked(body: CreateNodeToken): CreateNodeToken {
  const issue = createNodeTokenSchema.safeParse(body).error?.issues[0];
  if (issue === undefined) return body;
  const field = String(issue.path[0]);
  throw new CommandError(`${flagOf[field] ?? `--${field}`}: ${issue.message}`, { exitCode: exitCodes.usage });
}

/** N1, N2: stdout is the one line to run on the node's machine and nothing else; what is secret in it comes by stdin there. */
export const nodeTokenCreate = defineFleetCommand({
  name: 'node token create',
  summary:
    'Makes a token for one node and prints the whole line that its machine runs: where labd is, the token, and the pins of ' +
    'all it will meet. Shown this once.',
  usage: 'labctl node token create [--name NAME] [--region R] [--tenant T] [--ttl TIME] [--allow-rekey]',
  examples: ['labctl node token create --name site-a --region eu', 'labctl node token create --ttl 30d -o json'],
  options: {
    name: { type: 'string', flag: 'name', placeholder: 'NAME', help: 'what the node will be called' },
    region: { type: 'string', flag: 'region', placeholder: 'NAME', help: 'where it stands, whatever it says itself' },
    tenant: { type: 'string', flag: 'tenant', placeholder: 'NAME', help: 'who is credited for its work' },
    ttl: { type: 'duration', flag: 'ttl', help: 'how long it is good for, in heartbeats too; default 365d' },
    allowRekey: {
      type: 'boolean',
      flag: 'allow-rekey',
      default: false,
      help: 'the node may come back with other keys, without labctl tunnel trust',
    },
  },
  positionalsMax: 0,
  async run({ values, change, labd, result, note, world }) {
    const { name, region, tenant, ttl, allowRekey } = values;
    const body = checked({
      ...(name !== undefined && { name }),
      ...(region !== undefined && { region }),
      ...(tenant !== undefined && { tenant }),
      ...(ttl !== undefined && { ttlMs: ttl }),
      allowRekey,
    });
    const made = await change('create a token for a node', async () =>
      (await labd()).call('create-node-token', { body }),
    );
    if (made === undefined) return;
    note(`token ${made.prefix}: one node, ends ${until(made.expiresAt, world.clock.wall())}; shown this once`);
    note(`run this on the node's machine; labctl node token revoke ${made.prefix} ends it`);
    await result.object(made, `${safeText(made.joinCommand)}\n`);
  },
});
