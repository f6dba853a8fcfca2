import { keyRowSchema } from '@labmesh/wire/admin';
import { priorities } from '@labmesh/wire/verification/priority';
import { verificationLimits, verificationModes } from '@labmesh/wire/verification/verification-block';
import { keyIdOf } from '../grammar/key-id.ts';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataOption, jsonOption } from '../common-options.ts';

/** Given in place of a value: what everybody has. */
const usual = 'default';

/** Rights change while a key is in use: from its next request on. Its tenant and its other scopes never do. */
export const keysEdit = defineCommand({
  name: 'keys edit',
  summary: 'Changes what an API key may ask of the arena, and how its answers are verified, from its next request on.',
  usage: 'labctl keys edit ID [--priority CLASS] [--variations N] [--verification MODE] [--data DIR] [--json]',
  examples: [
    'labctl keys edit 3fGh81LmQz0a --priority high --variations 16',
    'labctl keys edit 3fGh81LmQz0a --priority normal --variations 0 --verification default',
  ],
  options: {
    priority: {
      type: 'string',
      choices: priorities,
      flag: 'priority',
      placeholder: 'CLASS',
      help: 'the highest class that its runs may ask for, in place of the one before; normal: as everybody',
    },
    variations: {
      type: 'integer',
      min: 0,
      max: verificationLimits.variationsMost,
      flag: 'variations',
      placeholder: 'N',
      help: 'most variations that a run of it may ask for; 0: arena.limits.variations, as everybody',
    },
    verification: {
      type: 'string',
      choices: [...verificationModes, usual],
      flag: 'verification',
      placeholder: 'MODE',
      help: `how its answers are verified unless a request says; ${usual}: as the gateway is set`,
    },
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = keyIdOf(positionals[0]);
    const { priority, variations, verification } = values;
    if (priority === undefined && variations === undefined && verification === undefined) {
      throw new CommandError('nothing to change is named', {
        hint: `labctl keys edit ${id} --priority high`,
        exitCode: 2,
      });
    }
    const edit = {
      priority,
      variations: variations === 0 ? null : variations,
      verification: verification === usual ? null : verification,
    };
    await using gateway = new RunningGateway(values.data, world.env);
    const row = await gateway.ask('PATCH', `/keys/${id}`, keyRowSchema, edit);
    world.stdout(values.json ? `${JSON.stringify(row)}\n` : `key ${row.id} (${row.name}) is changed\n`);
  },
});
