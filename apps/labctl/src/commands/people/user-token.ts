import { defineFleetCommand } from '../../fleet-command.ts';
import { thingOf } from '../../grammar/name-things.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { until } from '../../terminal/span.ts';

/** ID-2: a way back in for somebody whose login ended, or a further machine of theirs. */
export const userToken = defineFleetCommand({
  name: 'user token',
  summary:
    'Makes a new one-time login token for a user and prints the line that uses it. Tokens made for them before end.',
  usage: 'labctl user token NAME',
  examples: ['labctl user token alice', 'labctl user token alice -o json | jq -r .token'],
  options: {},
  positionalsMax: 1,
  completes: [['user/']],
  async run({ positionals, change, labd, note, result, world }) {
    const { name } = thingOf(positionals, { command: 'labctl user token', types: ['user'], bare: 'user' });
    const made = await change(`make a login token for user/${name}`, async () =>
      (await labd()).call('create-user-token', { params: { id: name } }),
    );
    if (made === undefined) return;
    note(`token for user/${name}, one login, ends ${until(made.expiresAt, world.clock.wall())}; shown this once`);
    await result.object(made, `${safeText(made.loginCommand)}\n`);
  },
});
