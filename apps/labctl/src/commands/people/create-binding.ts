import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { parseSubject } from '../../grammar/parse-subject.ts';
import { parseInstant } from '../../grammar/instant.ts';
import { bindingView } from '../../output/people-views.ts';

/** RB-6: a role for a user, a group of the identity provider, or a service; with an end it takes itself away. */
export const createBinding = defineFleetCommand({
  name: 'create binding',
  summary: 'Gives a user, a group of the identity provider, or a service a role, for good or until a moment.',
  usage: 'labctl create binding USER | group:NAME | service:NAME ROLE [--expires TIME]',
  examples: [
    'labctl create binding alice operator',
    'labctl create binding group:sre admin --expires 8h',
    'labctl create binding service:gateway viewer',
  ],
  options: {
    expires: { type: 'string', flag: 'expires', placeholder: 'TIME', help: 'until then: 8h, or 2026-01-01T12:00:00Z' },
  },
  positionalsMax: 2,
  async run({ values, positionals, change, labd, result, world }) {
    const [who, roleWord] = positionals;
    const role = roleWord?.replace(/^roles?\//i, '');
    if (who === undefined || role === undefined || role === '') {
      throw new CommandError(who === undefined ? 'the user is missing' : 'the role is missing', {
        hint: 'labctl create binding USER ROLE; labctl get roles lists the roles',
        exitCode: exitCodes.usage,
      });
    }
    const subject = parseSubject(who);
    const reading = { flag: '--expires', spans: 'ahead', now: world.clock.wall() } as const;
    const expiresAt = values.expires === undefined ? undefined : parseInstant(values.expires, reading);
    const what = `give ${subject.subjectKind}:${subject.subject} the role ${role}`;
    const made = await change(what, async () =>
      (await labd()).call('create-binding', {
        body: { ...subject, role, ...(expiresAt !== undefined && { expiresAt }) },
      }),
    );
    if (made !== undefined) await result.one(made, bindingView);
  },
});
