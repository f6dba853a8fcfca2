import { defineFleetCommand } from '../../fleet-command.ts';
import { newName } from '../../grammar/name-things.ts';
import { roleView } from '../../output/people-views.ts';

/** RB-1, RB-6. Rules are checked by labd alone: two readers of one grammar would come to differ. */
export const createRole = defineFleetCommand({
  name: 'create role',
  summary:
    'Makes a role of rules: allow|deny VERBS on KINDS[/NAME] [where LABELS] [as LIMITS]. A deny that matches wins, ' +
    'whatever allows. Nobody can grant more than they hold.',
  usage: 'labctl create role NAME --rule RULE… [--description TEXT]',
  examples: [
    "labctl create role web-ops --rule 'allow get,list,exec,logs on servers where role=web' --rule 'deny exec on servers/web-db-*'",
    "labctl create role deployer --rule 'allow exec,copy-in on servers where environment=staging as deploy'",
  ],
  options: {
    rule: { type: 'string[]', flag: 'rule', placeholder: 'RULE', help: 'a rule of the role' },
    description: { type: 'string', flag: 'description', placeholder: 'TEXT', help: 'what the role is for' },
  },
  positionalsMax: 1,
  async run({ values, positionals, change, labd, note, result }) {
    const name = newName(positionals, 'labctl create role');
    const { rule, description } = values;
    const body = { name, rules: rule, ...(description !== undefined && { description }) };
    const made = await change(`create role/${name} with ${rule.length} rules`, async () =>
      (await labd()).call('create-role', { body }),
    );
    if (made === undefined) return;
    if (rule.length === 0) note(`it allows nothing yet: labctl role edit ${name}`);
    await result.one(made, roleView);
  },
});
