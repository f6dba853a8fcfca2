import { kinds, verbs } from '@labmesh/wire/fleet/access-words';
import type { CanIAnswer } from '@labmesh/wire/fleet/resources/people';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { parseTarget, parseVerb } from '../../grammar/parse-kind.ts';
import { typeWords } from '../../grammar/resource-type.ts';
import { renderFields } from '../../output/result.ts';

/** The rule that decided; where none did, the one that came nearest and what of it did not fit. */
function explanation(answer: CanIAnswer): string {
  const { allowed, reason, rule, role, matched, roles, nearest, failed } = answer;
  const because = {
    DENY_RULE: 'a rule denies it',
    ALLOW_RULE: 'a rule allows it, and none denies it',
    NO_MATCH: 'no rule allows it',
  }[reason];
  return renderFields([
    ['Allowed', allowed ? 'yes' : 'no'],
    ['Because', because],
    ...(rule === null ? [] : ([['Rule', rule]] as const)),
    ...(role === null ? [] : ([['Role', role]] as const)),
    ...(matched.length > 1 ? ([['All that match', matched]] as const) : []),
    ...(nearest === null ? [] : ([['Nearest rule', nearest]] as const)),
    ...(failed === null ? [] : ([['Failed at', failed]] as const)),
    ['Roles held', roles.join(', ')],
  ]);
}

/** RB-9. Exit 0 or 4, so that scripts may ask before they act. */
export const authCanI = defineFleetCommand({
  name: 'auth can-i',
  summary:
    'Says whether you, or a user, may do something: yes with exit code 0, no with 4. --explain tells which rule of which ' +
    'role decides; where none matches, the nearest one and what of it fails.',
  usage: 'labctl auth can-i VERB KIND[/NAME] [--as USER] [--account NAME] [--forward HOST:PORT] [--explain]',
  examples: [
    'labctl auth can-i exec server/web-1 --explain',
    'labctl auth can-i exec server/db-1 --account postgres --as alice',
    'labctl auth can-i rotate ca && labctl ca rotate',
  ],
  options: {
    as: { type: 'string', flag: 'as', placeholder: 'USER', help: 'about this user; needs impersonate on users' },
    account: { type: 'string', flag: 'account', placeholder: 'NAME', help: 'as this account of the server' },
    forward: { type: 'string', flag: 'forward', placeholder: 'HOST:PORT', help: 'to this address, for verb forward' },
    explain: { type: 'boolean', flag: 'explain', default: false, help: 'tell the rule that decides' },
  },
  positionalsMax: 3,
  completes: [verbs, [...typeWords, ...kinds]],
  async run({ values, positionals, labd, result }) {
    const [verbWord, kindWord, nameWord] = positionals;
    if (verbWord === undefined || kindWord === undefined) {
      throw new CommandError(verbWord === undefined ? 'the verb is missing' : 'the kind is missing', {
        hint: 'labctl auth can-i VERB KIND[/NAME], such as exec server/web-1',
        exitCode: exitCodes.usage,
      });
    }
    const { as, account, forward, explain } = values;
    const body = {
      verb: parseVerb(verbWord),
      ...parseTarget(kindWord, nameWord),
      ...(as !== undefined && { as: as.replace(/^users?[:/]/i, '') }),
      ...(account !== undefined && { account }),
      ...(forward !== undefined && { forward }),
    };
    const answer = await (await labd()).call('can-i', { body });
    await result.object(answer, explain ? explanation(answer) : answer.allowed ? 'yes\n' : 'no\n');
    return answer.allowed ? exitCodes.ok : exitCodes.denied;
  },
});
