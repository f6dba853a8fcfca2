import { principalText } from '@labmesh/wire/fleet/principal';
import { defineFleetCommand } from '../../fleet-command.ts';
import { renderFields } from '../../output/result.ts';
import { until } from '../../terminal/span.ts';

/** Who labd takes the caller for, by certificate or, with --local, by the socket (LD-8). */
export const whoami = defineFleetCommand({
  name: 'whoami',
  summary: 'Shows who labd takes you for, with which roles, and until when.',
  usage: 'labctl whoami [--context NAME] [-o FORM]',
  examples: ['labctl whoami', 'labctl whoami -o json | jq -r .roles[]'],
  options: {},
  positionalsMax: 0,
  async run({ labd, result, settings, values, world }) {
    const client = await labd();
    const who = await client.call('whoami');
    const ends = who.expiresAt === null ? null : `${who.expiresAt} (${until(who.expiresAt, world.clock.wall())})`;
    const fields = renderFields([
      ['Who', principalText(who.principal)],
      ['Id', who.principal.id],
      ['Roles', who.roles.join(', ')],
      ['Groups', who.groups.join(', ')],
      ['Known by', who.method],
      ['Until', ends],
      ['Serial', who.serial],
      ['Where', client.where.replace(/^labd at /, '')],
      ['Context', values.local ? null : settings.context],
    ]);
    await result.object(who, fields);
  },
});
