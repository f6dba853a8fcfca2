import type { Role } from '@labmesh/wire/fleet/resources/people';
import { LabdError } from '../../client/labd-error.ts';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { editText } from '../../fleet/edit-text.ts';
import { thingOf } from '../../grammar/name-things.ts';
import { formatRules, parseRules, sameRules } from '../../grammar/rule-text.ts';
import { roleView } from '../../output/people-views.ts';

const options = {
  rule: { type: 'string[]', flag: 'rule', placeholder: 'RULE', help: 'these rules in place of all, without an editor' },
  description: {
    type: 'string',
    flag: 'description',
    placeholder: 'TEXT',
    help: "what the role is for; '' for nothing",
  },
} as const;
type EditCall = FleetCall<typeof options>;

/** Undefined: nothing was changed. The revision guards what somebody else saved meanwhile (AP-3). */
async function save(call: EditCall, role: Role, rules: readonly string[]): Promise<Role | undefined> {
  const { values, labd, change } = call;
  const { description } = values;
  const body = {
    revision: role.revision,
    rules: [...rules],
    ...(description !== undefined && { description: description === '' ? null : description }),
  };
  return change(`replace the rules of role/${role.name} by:\n${rules.join('\n')}`, async () =>
    (await labd()).call('put-role', { params: { id: role.id }, body }),
  );
}

/** Editor, save, and the editor again with the reason when labd refuses a rule. */
async function edit(call: EditCall, role: Role): Promise<Role | undefined> {
  const { world, note } = call;
  if (!world.stdinIsTerminal) {
    throw new CommandError('an editor needs a terminal', {
      hint: `labctl role edit ${role.name} --rule RULE…`,
      exitCode: exitCodes.usage,
    });
  }
  let text = formatRules(role);
  let rules: readonly string[] = role.rules;
  for (;;) {
    const edited = parseRules(await editText(world, `${role.name}.rules`, text));
    if (sameRules(edited, rules)) {
      note('nothing was changed');
      return undefined;
    }
    try {
      return await save(call, role, edited);
    } catch (error) {
      if (!(error instanceof LabdError) || error.status !== 400) throw error;
      const again = await world.ask(`${error.message}\nEdit again? [Y/n] `);
      if (again === undefined || /^n/i.test(again.trim())) throw error;
      text = formatRules({ ...role, rules: edited }, error.message);
      rules = edited;
    }
  }
}

/**
 * Replaces the rules of a role as a whole, guarded by its revision (AP-3): what somebody else saved is never lost.
 */
export const roleEdit = defineFleetCommand({
  name: 'role edit',
  summary:
    'Opens the rules of a role in $EDITOR, one a line, and saves them; with --rule replaces them without an editor. What ' +
    'changes holds everywhere within two seconds, and cuts what it no longer allows.',
  usage: 'labctl role edit NAME [--rule RULE]… [--description TEXT]',
  examples: [
    'labctl role edit operator',
    "labctl role edit web-ops --rule 'allow get,list,exec on servers where role=web'",
  ],
  options,
  positionalsMax: 1,
  completes: [['role/']],
  async run(call) {
    const { values, positionals, labd, result } = call;
    const { name } = thingOf(positionals, { command: 'labctl role edit', types: ['role'], bare: 'role' });
    const role = await (await labd()).call('get-role', { params: { id: name } });
    const isGiven = values.rule.length > 0 || values.description !== undefined;
    const rules = values.rule.length > 0 ? values.rule : role.rules;
    const saved = isGiven ? await save(call, role, rules) : await edit(call, role);
    if (saved !== undefined) await result.one(saved, roleView);
  },
});
