import { createdKeySchema, createKeyRequestSchema } from '@labmesh/wire/admin';
import { scopes } from '@labmesh/wire/operations';
import { priorities } from '@labmesh/wire/verification/priority';
import { verificationLimits, verificationModes } from '@labmesh/wire/verification/verification-block';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataOption, jsonOption } from '../common-options.ts';

/**
 * A key belongs to one tenant for good: what it is answered, and what is kept of that, is seen by keys of that tenant
 * alone. What it may do is checked before the gateway is asked.
 */
export const keysCreate = defineCommand({
  name: 'keys create',
  summary: 'Makes an API key. It is shown this once, and kept as a hash only.',
  usage: 'labctl keys create [NAME] [--tenant T] [--scopes LIST] [--priority CLASS] [options]',
  examples: [
    'labctl keys create laptop',
    'labctl keys create acme --tenant acme --verification intercept --scopes chat,models',
    'labctl keys create release --priority high --variations 16',
    'KEY=$(labctl keys create ci --json | jq -r .key)',
  ],
  options: {
    tenant: {
      type: 'string',
      flag: 'tenant',
      placeholder: 'T',
      help: 'whose results and certificates the key sees; default: default',
    },
    verification: {
      type: 'string',
      choices: verificationModes,
      flag: 'verification',
      placeholder: 'MODE',
      help: 'how its answers are verified unless a request says; default: as the gateway is set',
    },
    priority: {
      type: 'string',
      choices: priorities,
      flag: 'priority',
      placeholder: 'CLASS',
      help: 'the highest class that its runs may ask for (scope priority:CLASS); default: normal',
    },
    variations: {
      type: 'integer',
      min: 1,
      max: verificationLimits.variationsMost,
      flag: 'variations',
      placeholder: 'N',
      help: 'most variations that a run of it may ask for; default: arena.limits.variations',
    },
    scopes: {
      type: 'string',
      flag: 'scopes',
      placeholder: 'LIST',
      help: `what the key may do, by comma: ${scopes.join(', ')}; default: everything but admin, arena and priority`,
    },
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const { tenant, verification, priority, variations } = values;
    const request = createKeyRequestSchema.safeParse({
      name: positionals[0] ?? 'key',
      tenant,
      verification,
      priority,
      variations,
      ...(values.scopes !== undefined && { scopes: values.scopes.split(',').map((scope) => scope.trim()) }),
    });
    if (!request.success) {
      const issue = request.error.issues[0];
      throw new CommandError(`the ${String(issue?.path[0] ?? 'name')} of a key: ${issue?.message ?? 'not valid'}`, {
        hint: 'labctl keys create laptop',
        exitCode: 2,
      });
    }
    await using gateway = new RunningGateway(values.data, world.env);
    const made = await gateway.ask('POST', '/keys', createdKeySchema, request.data);
    if (values.json) return world.stdout(`${JSON.stringify(made)}\n`);
    // The key alone on stdout: `labctl keys create > file` is a key file.
    world.stdout(`${made.key}\n`);
    world.stderr(`key ${made.id} (${made.name}); it is not shown again. To end it: labctl keys revoke ${made.id}\n`);
  },
});
