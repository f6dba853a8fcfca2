/**
 * Services of a host that somebody must not reach: `tcp/ADDRESS/PORT` and `udp/ADDRESS/PORT` arguments. Says `{"ready"}`,
 * answers each datagram, and tells on each JSON line of stdin whom it served: `{"served": ["tcp/0.0.0.0/22 from …"]}`.
 */
import { linesOf } from '../tunnel/json-process.ts';

const served: string[] = [];

for (const service of Bun.argv.slice(2)) {
  const [protocol, hostname = '', port = '0'] = service.split('/');
  const note = (from: string) => void served.push(`${service} from ${from}`);
  if (protocol === 'tcp') {
    const open = ({ remoteAddress }: { remoteAddress: string }) => note(remoteAddress);
    Bun.listen({ hostname, port: Number(port), socket: { open, data: () => {} } });
  } else {
    await Bun.udpSocket({
      hostname,
      port: Number(port),
      socket: {
        data: (socket, data, from, address) => {
          note(address);
          socket.send(data, from, address);
        },
        error: () => {},
      },
    });
  }
}
console.log(JSON.stringify({ ready: true }));
for await (const _line of linesOf(Bun.stdin.stream())) console.log(JSON.stringify({ served: served.splice(0) }));
