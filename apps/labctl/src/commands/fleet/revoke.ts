import { defineFleetCommand } from '../../fleet-command.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { formatRef } from '../../grammar/resource-ref.ts';

/** Join tokens (JT-8) and certificates (CA-8); a certificate has no name, so its serial is asked for. */
export const revoke = defineFleetCommand({
  name: 'revoke',
  summary:
    'Ends a join token, so that nobody joins with it any more, or a certificate: its connections are cut within two ' +
    'seconds.',
  usage: 'labctl revoke token/ID | certificate/SERIAL… [--reason TEXT] [--yes]',
  examples: ['labctl revoke token/lmj_0a1b2c3d', 'labctl revoke certificate/SERIAL --reason "key was lost"'],
  options: {
    reason: { type: 'string', flag: 'reason', placeholder: 'TEXT', help: 'why a certificate ends, for the audit log' },
  },
  positionalsMax: 500,
  completes: [['token/', 'certificate/']],
  async run({ values, positionals, confirm, change, labd, note, result }) {
    const refs = thingsOf(positionals, { command: 'labctl revoke', types: ['token', 'certificate'] });
    const { reason } = values;
    const done: string[] = [];
    for (const ref of refs) {
      const name = formatRef(ref);
      const what = ref.type === 'token' ? `revoke ${name}` : `revoke ${name} and cut what is connected with it`;
      await confirm(what, ref.name);
      const answer = await change(what, async () => {
        const client = await labd();
        if (ref.type === 'token') return client.call('revoke-token', { params: { id: ref.name } });
        const body = reason === undefined ? {} : { reason };
        return client.call('revoke-certificate', { params: { serial: ref.name }, body });
      });
      if (answer === undefined) continue;
      note(`revoked ${name}`);
      done.push(name);
    }
    await result.object({ revoked: done }, '');
  },
});
