import { CommandError } from '../../command-error.ts';
import { readCredentials, removeCredentials } from '../../credentials/credentials.ts';
import { defineFleetCommand } from '../../fleet-command.ts';

/** Ends a login on both sides; the key here goes in any case, since that is what the person wants gone. */
export const logout = defineFleetCommand({
  name: 'logout',
  summary:
    'Ends the login of a context: labd revokes its certificate, and the key on this machine is removed. The key goes also ' +
    'when labd cannot be reached.',
  usage: 'labctl logout [--context NAME]',
  examples: ['labctl logout', 'labctl logout --context prod'],
  options: {},
  positionalsMax: 0,
  async run({ settings, world, labd, note, change, result }) {
    const { context } = settings;
    // A file that is broken or open to others is removed as well: it is why somebody logs out.
    const found = await readCredentials(world.env, context).catch(() => null);
    if (found === undefined) {
      note(`nobody is logged in to context ${context}`);
      return result.object({ context, loggedOut: false, revoked: false }, '');
    }
    await change(`log out of context ${context}`, async () => {
      let revoked = false;
      try {
        await (await labd()).call('logout');
        revoked = true;
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        note(`labd was not told, so the certificate lasts until it ends: ${error.message}`);
      }
      await removeCredentials(world.env, context);
      note(`logged out of context ${context}`);
      await result.object({ context, loggedOut: true, revoked }, '');
    });
  },
});
