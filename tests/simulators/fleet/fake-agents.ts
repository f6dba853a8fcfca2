/**
 * A process that holds a fleet of simulated agents. It reads one JSON command a line and answers each with one line:
 *
 *     {"id":1,"do":"enrol","count":2000,"url":"https://…","bundlePem":"…","token":"lmj_…"}   →   {"id":1,"ok":true,…}
 *
 * start-fake-agents.ts is the other side. It ends when its stdin does.
 */
import { FakeFleet } from './fake-fleet.ts';
import type { FakeCommand } from './start-fake-agents.ts';

const fleet = new FakeFleet();

async function obey(command: FakeCommand): Promise<void> {
  switch (command.do) {
    case 'prepare':
      return fleet.prepare(command.count);
    case 'enrol':
      return fleet.enrol(command, command.count, command.prefix);
    case 'connect':
      return fleet.connect(command);
    case 'facts':
      return fleet.agents.forEach((agent) => agent.sendFacts(command.facts));
    case 'disconnect':
      return fleet.disconnect();
    case 'freeze':
      return fleet.freeze(command.count);
    case 'vanish':
      return fleet.vanish(command.count);
    case 'come-back':
      return fleet.comeBack();
    case 'counts':
      return;
  }
}

for await (const line of console) {
  if (line === '') continue;
  const command = JSON.parse(line) as FakeCommand & { id: number };
  const told = { id: command.id };
  void obey(command).then(
    () => console.log(JSON.stringify({ ...told, ok: true, counts: fleet.counts() })),
    (error: unknown) => console.log(JSON.stringify({ ...told, ok: false, reason: String(error) })),
  );
}
// oxlint-disable-next-line no-process-exit -- the links of the fleet keep this process alive
process.exit(0);
