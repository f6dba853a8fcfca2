import { keyRowSchema } from '@labmesh/wire/admin';
import { parseApiKey } from '@labmesh/wire/ids';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataOption, jsonOption } from '../common-options.ts';

/** The key itself is taken as well: whoever found one in a log has no id of it. Only its id is sent. */
export const keysRevoke = defineCommand({
  name: 'keys revoke',
  summary: 'Ends an API key at once. Takes its id, as labctl keys list shows it, or the key itself.',
  usage: 'labctl keys revoke ID [--data DIR] [--json]',
  examples: ['labctl keys revoke 3fGh81LmQz0a'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const [given] = positionals;
    const id = given === undefined ? undefined : (parseApiKey(given)?.id ?? given);
    if (id === undefined || !/^[0-9A-Za-z]{1,64}$/.test(id)) {
      const problem = given === undefined ? 'the id of the key is missing' : 'this is not the id of a key';
      throw new CommandError(problem, { hint: 'labctl keys list shows the ids', exitCode: 2 });
    }
    await using gateway = new RunningGateway(values.data, world.env);
    const row = await gateway.ask('DELETE', `/keys/${id}`, keyRowSchema);
    world.stdout(values.json ? `${JSON.stringify(row)}\n` : `key ${row.id} (${row.name}) is revoked\n`);
  },
});
