import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { newName } from '../../grammar/name-things.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { until } from '../../terminal/span.ts';

/**
 * ID-2: stdout is the one line that the person runs; it pipes the token in, as `create token` does for machines.
 */
export const createUser = defineFleetCommand({
  name: 'create user',
  summary:
    'Makes a user and prints the line with which that person logs in: it holds a token for one login, shown this once, ' +
    'good for 24 hours.',
  usage: 'labctl create user NAME [--role ROLE]… [--email ADDRESS]',
  examples: [
    'labctl create user alice --role operator',
    'labctl create user bob --role viewer --email bob@lab.example',
  ],
  options: {
    role: { type: 'string[]', flag: 'role', placeholder: 'ROLE', help: 'role that the user holds' },
    email: { type: 'string', flag: 'email', placeholder: 'ADDRESS', help: 'for people to know who it is' },
  },
  positionalsMax: 1,
  async run({ values, positionals, change, labd, note, result, world }) {
    const name = newName(positionals, 'labctl create user');
    if (/[/=]/.test(name)) {
      throw new CommandError(`${JSON.stringify(name)} is not a user name`, {
        hint: 'labctl create user NAME, without a type before it',
        exitCode: exitCodes.usage,
      });
    }
    const { email, role } = values;
    const roles = role.length === 0 ? 'without a role' : `with role ${role.join(', ')}`;
    const made = await change(`create user/${name} ${roles}`, async () =>
      (await labd()).call('create-user', { body: { name, roles: role, ...(email !== undefined && { email }) } }),
    );
    if (made === undefined) return;
    note(`created user/${name} ${roles}; the token in the line ends ${until(made.expiresAt, world.clock.wall())}`);
    if (role.length === 0) note(`it may do nothing yet: labctl create binding ${name} ROLE`);
    await result.object(made, `${safeText(made.loginCommand)}\n`);
  },
});
