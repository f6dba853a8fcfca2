import { createdKeySchema, createKeyRequestSchema } from '@labmesh/wire/admin';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataOption, jsonOption } from '../common-options.ts';

export const keysCreate = defineCommand({
  name: 'keys create',
  summary: 'Makes an API key. It is shown this once, and kept as a hash only.',
  usage: 'labctl keys create [NAME] [--data DIR] [--json]',
  examples: ['labctl keys create laptop', 'KEY=$(labctl keys create ci --json | jq -r .key)'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const request = createKeyRequestSchema.safeParse({ name: positionals[0] ?? 'key' });
    if (!request.success) {
      const why = request.error.issues[0]?.message ?? 'not valid';
      throw new CommandError(`the name of a key: ${why}`, { hint: 'labctl keys create laptop', exitCode: 2 });
    }
    await using gateway = new RunningGateway(values.data, world.env);
    const made = await gateway.ask('POST', '/keys', createdKeySchema, request.data);
    if (values.json) return world.stdout(`${JSON.stringify(made)}\n`);
    // The key alone on stdout: `labctl keys create > file` is a key file.
    world.stdout(`${made.key}\n`);
    world.stderr(`key ${made.id} (${made.name}); it is not shown again. To end it: labctl keys revoke ${made.id}\n`);
  },
});
