import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { thingOf } from '../../grammar/name-things.ts';
import { askNewPassword, askSecret, secretFromFile } from '../../login/read-secret.ts';

/** ID-3. Passwords come from a file, from stdin or hidden from the terminal, never from the command line. */
export const userPassword = defineFleetCommand({
  name: 'user password',
  summary:
    'Sets the password of a user, 12 to 256 characters; of your own it asks for the current one as well. --remove lets ' +
    'them log in by other ways only. Logins made with the old one end.',
  usage: 'labctl user password NAME [--password-file FILE] [--current-file FILE] | --remove',
  examples: ['labctl user password alice', 'labctl user password alice --remove'],
  options: {
    passwordFile: { type: 'string', flag: 'password-file', placeholder: 'FILE', help: 'new password, or - for stdin' },
    currentFile: { type: 'string', flag: 'current-file', placeholder: 'FILE', help: 'current password, of your own' },
    remove: { type: 'boolean', flag: 'remove', default: false, help: 'take the password away' },
  },
  positionalsMax: 1,
  completes: [['user/']],
  async run({ values, positionals, confirm, change, labd, note, result, world }) {
    const { name } = thingOf(positionals, { command: 'labctl user password', types: ['user'], bare: 'user' });
    const { passwordFile, currentFile, remove } = values;
    if (remove && passwordFile !== undefined) {
      throw new CommandError('either --remove or --password-file', { exitCode: exitCodes.usage });
    }
    const what = remove ? `take the password of user/${name} away` : `set the password of user/${name}`;
    if (remove) await confirm(what, name);
    const done = await change(what, async () => {
      const client = await labd();
      const me = await client.call('whoami');
      const isOwn = me.principal.kind === 'user' && [me.principal.name, me.principal.id].includes(name);
      const { hasPassword } = await client.call('get-user', { params: { id: name } }).catch((error: unknown) => {
        // Who may not look at users may still change a password of their own.
        if (isOwn && error instanceof CommandError) return { hasPassword: true };
        throw error;
      });
      const current =
        !isOwn || !hasPassword
          ? undefined
          : currentFile === undefined
            ? await askSecret(world, 'Current password: ', '--current-file FILE')
            : await secretFromFile(world, currentFile, '--current-file');
      const given = passwordFile === undefined ? askNewPassword : secretFromFile;
      const password = remove ? null : await given(world, passwordFile ?? '--password-file FILE', '--password-file');
      const body = { password, ...(current !== undefined && { currentPassword: current }) };
      return client.call('set-password', { params: { id: name }, body });
    });
    if (done === undefined) return;
    note(remove ? `user/${name} has no password now` : `the password of user/${name} is set`);
    await result.object(done, '');
  },
});
