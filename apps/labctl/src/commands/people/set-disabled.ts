import type { OptionDefs } from '@labmesh/kit/options/option-def';
import type { FleetCall } from '../../fleet-command.ts';
import { thingOf } from '../../grammar/name-things.ts';

/** `user disable` and `user enable`; to disable asks first. */
export async function setDisabled(
  {
    positionals,
    confirm,
    change,
    labd,
    note,
    result,
  }: Pick<FleetCall<OptionDefs>, 'positionals' | 'confirm' | 'change' | 'labd' | 'note' | 'result'>,
  command: string,
  disabled: boolean,
): Promise<void> {
  const { name } = thingOf(positionals, { command, types: ['user'], bare: 'user' });
  const what = disabled ? `disable user/${name} and cut what they have open` : `enable user/${name}`;
  if (disabled) await confirm(what, name);
  const body = { disabled };
  const user = await change(what, async () => (await labd()).call('patch-user', { params: { id: name }, body }));
  if (user === undefined) return;
  note(`user/${name} is ${disabled ? 'disabled' : 'enabled'}`);
  await result.object(user, '');
}
