import { defineOptions } from '@labmesh/kit/options';
import { gatewayStatusSchema, verificationModeSetSchema } from '@labmesh/wire/admin';
import { verificationModes } from '@labmesh/wire/verification/verification-block';
import { RunningGateway } from '../../client/running-gateway.ts';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { dataOption, jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';

/** What a gateway said that cannot verify. */
const noMode = () => new CommandError('this gateway does not tell how it verifies', { hint: 'it is an older version' });

export const arenaMode = defineCommand({
  name: 'arena mode',
  summary:
    'Shows how answers are verified that no request, key or alias says it of, or sets it: passthrough, audit, shadow, ' +
    'intercept. What is set holds from the next request until the gateway ends; verification.mode in labmesh.toml stays.',
  usage: 'labctl arena mode [MODE] [--data DIR] [--json]',
  examples: ['labctl arena mode', 'labctl arena mode intercept'],
  options: defineOptions({ ...dataOption, ...jsonOption }),
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const [mode] = positionals;
    if (mode !== undefined && !(verificationModes as readonly string[]).includes(mode)) {
      const hint = `one of ${verificationModes.join(', ')}`;
      throw new CommandError(`there is no mode ${JSON.stringify(mode)}`, { hint, exitCode: exitCodes.usage });
    }
    await using gateway = new RunningGateway(values.data, world.env);
    if (mode === undefined) {
      const { verification } = await gateway.ask('GET', '/status', gatewayStatusSchema);
      if (verification === undefined) throw noMode();
      world.stdout(values.json ? `${JSON.stringify(verification)}\n` : `${verification.mode}\n`);
      return;
    }
    const set = await gateway.ask('POST', `/mode/${mode}`, verificationModeSetSchema);
    world.stdout(values.json ? `${JSON.stringify(set)}\n` : `${set.mode} (before: ${set.before})\n`);
  },
});
