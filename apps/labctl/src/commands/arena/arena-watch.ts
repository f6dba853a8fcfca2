import { defineOptions } from '@labmesh/kit/options';
import { liveTopicField, liveTopics } from '@labmesh/wire/verification/arena-live';
import { liveLine, lookText } from '../../arena/live-text.ts';
import { watchLive } from '../../arena/watch-live.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';

const topicsMost = 16;

function readTopics(words: readonly string[]): readonly string[] {
  for (const word of words) {
    if (liveTopicField.safeParse(word).success) continue;
    throw new CommandError(`${JSON.stringify(word.slice(0, 60))} is no topic`, {
      hint: `topics are ${liveTopics.join(', ')} and run:ID`,
      exitCode: exitCodes.usage,
    });
  }
  return words.length === 0 ? liveTopics : words;
}

export const arenaWatch = defineCommand({
  name: 'arena watch',
  summary:
    'Tells what happens in the arena as it happens, until Ctrl-C. Where news are missing it asks for the state and says so.',
  usage: 'labctl arena watch [runs] [run:ID] [certificates] [leaderboard] [verifiers] [stats] [--json]',
  examples: ['labctl arena watch', 'labctl arena watch runs certificates --json', 'labctl arena watch run:01963a…'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: topicsMost,
  completes: [liveTopics],
  async run({ values, positionals, world }) {
    const topics = readTopics(positionals);
    const api = findApi(values, world);
    await using arena = new ArenaClient(api, world);
    const tell = (line: string) => world.stdout(`${line}\n`);
    await watchLive({
      world,
      api,
      arena,
      topics,
      onNews: (news) => tell(values.json ? JSON.stringify(news) : liveLine(news)),
      onGap: (topic, missed, state) => {
        if (values.json) return tell(JSON.stringify({ topic, missed, state }));
        tell(`${missed ?? 'some'} of ${topic} missed: ${lookText(topic)} shows how it is now`);
      },
      note: (text) => world.stderr(`${text}\n`),
    });
  },
});
