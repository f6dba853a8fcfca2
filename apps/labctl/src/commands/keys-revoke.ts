import { keyRowSchema } from '@labmesh/wire/admin';
import { keyIdOf } from '../grammar/key-id.ts';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { dataOption, jsonOption } from '../common-options.ts';

export const keysRevoke = defineCommand({
  name: 'keys revoke',
  summary: 'Ends an API key at once. Takes its id, as labctl keys list shows it, or the key itself.',
  usage: 'labctl keys revoke ID [--data DIR] [--json]',
  examples: ['labctl keys revoke 3fGh81LmQz0a'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = keyIdOf(positionals[0]);
    await using gateway = new RunningGateway(values.data, world.env);
    const row = await gateway.ask('DELETE', `/keys/${id}`, keyRowSchema);
    world.stdout(values.json ? `${JSON.stringify(row)}\n` : `key ${row.id} (${row.name}) is revoked\n`);
  },
});
