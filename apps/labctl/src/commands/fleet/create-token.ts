import type { CreateToken } from '@labmesh/wire/fleet/tokens';
import { createTokenSchema, tokenKinds } from '@labmesh/wire/fleet/tokens';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { parseNewLabels } from '../../grammar/parse-labels.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { until } from '../../terminal/span.ts';

/** Flags by the field of the request that they fill, for errors. */
const flagOf: Readonly<Record<string, string>> = {
  ttlMs: '--ttl',
  maxUses: '--max-uses',
  environment: '--env',
  cloud: '--cloud',
  role: '--role',
  hostname: '--hostname',
  macs: '--mac',
  cidrs: '--cidr',
  approve: '--approve',
  labels: '--label',
};

/** Checked here as labd will: an error names the flag and not the field. @throws CommandError (exit 2) */
function checked(body: CreateToken): CreateToken {
  const issue = createTokenSchema.safeParse(body).error?.issues[0];
  if (issue === undefined) return body;
  const flag = flagOf[String(issue.path[0])] ?? String(issue.path[0]);
  throw new CommandError(`${flag}: ${issue.message}`, { exitCode: exitCodes.usage });
}

/**
 * JT-2, JT-8: stdout is the one line to run on the machine and nothing else, so that it can be piped; the token in it is
 * read from stdin there, and stands in no process list.
 */
export const createToken = defineFleetCommand({
  name: 'create token',
  summary:
    'Makes a join token and prints the whole line that a new machine runs; the token is shown this once. Without flags: ' +
    'one use within 30 minutes, for an agent.',
  usage:
    'labctl create token [--reusable] [--ttl TIME] [--label K=V]… [--env E --cloud C --role R] [--hostname GLOB] …',
  examples: [
    'labctl create token --env production --role web',
    'labctl create token --reusable --ttl 7d --max-uses 20 --label rack=r1 --cidr 10.0.0.0/8',
    'labctl create token --kind bastion -o json',
  ],
  options: {
    reusable: { type: 'boolean', flag: 'reusable', default: false, help: 'for many machines, at most 30 days' },
    ttl: { type: 'duration', flag: 'ttl', help: 'how long it is good for; default 30m' },
    maxUses: { type: 'integer', flag: 'max-uses', min: 1, max: 10_000, help: 'with --reusable; default 50' },
    kind: { type: 'string', flag: 'kind', choices: tokenKinds, default: 'agent', help: 'who joins with it' },
    label: { type: 'string[]', flag: 'label', placeholder: 'K=V', help: 'label of the servers that join' },
    env: { type: 'string', flag: 'env', placeholder: 'NAME', help: 'environment of the servers that join' },
    cloud: { type: 'string', flag: 'cloud', placeholder: 'NAME', help: 'cloud of the servers that join' },
    role: { type: 'string', flag: 'role', placeholder: 'NAME', help: 'role of the servers that join' },
    hostname: {
      type: 'string',
      flag: 'hostname',
      placeholder: 'GLOB',
      help: 'only machines of this name; * is any text',
    },
    mac: { type: 'string[]', flag: 'mac', placeholder: 'MAC', help: 'only the machine with this MAC' },
    cidr: { type: 'string[]', flag: 'cidr', placeholder: 'NET', help: 'only from this network: 10.0.0.0/8' },
    takeover: { type: 'boolean', flag: 'takeover', default: false, help: 'a known server may come back with it' },
    approve: { type: 'boolean', flag: 'approve', default: false, help: 'who joins waits for labctl approve' },
  },
  positionalsMax: 0,
  async run({ values, change, labd, result, note, world }) {
    const { reusable, ttl, maxUses, kind, env, cloud, role, hostname, mac, cidr, takeover, approve } = values;
    const body = checked({
      type: reusable ? 'reusable' : 'one-time',
      kind,
      ...(ttl !== undefined && { ttlMs: ttl }),
      ...(maxUses !== undefined && { maxUses }),
      labels: parseNewLabels(values.label),
      ...(env !== undefined && { environment: env }),
      ...(cloud !== undefined && { cloud }),
      ...(role !== undefined && { role }),
      ...(hostname !== undefined && { hostname }),
      macs: mac,
      cidrs: cidr,
      takeover,
      approve,
    });
    const made = await change(`create a ${body.type} token for ${kind}s`, async () =>
      (await labd()).call('create-token', { body }),
    );
    if (made === undefined) return;
    const uses = made.maxUses === 1 ? 'one use' : `${made.maxUses} uses`;
    note(`token ${made.prefix}: ${uses}, ends ${until(made.expiresAt, world.clock.wall())}; shown this once`);
    note(`run this on the new machine; labctl revoke token/${made.prefix} ends it before`);
    await result.object(made, `${safeText(made.joinCommand)}\n`);
  },
});
