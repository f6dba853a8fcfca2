import { expect, test } from 'bun:test';
import { createServer, type AddressInfo } from 'node:net';
import { Settings } from '../config/settings.ts';
import { checkBastion } from './check-bastion.ts';

const said = async (url: string | undefined) => {
  const env = { HOME: '/nowhere', ...(url !== undefined && { LABCTL_BASTION_URL: url }) };
  return (await checkBastion(new Settings({ env }), 5_000)).map(({ state, text, fix }) => [state, text, fix]);
};

test('nothing is said of the address that nobody set', async () => expect(await said(undefined)).toEqual([]));

test('one that answers, and one that does not', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await said(`http://127.0.0.1:${port}`)).toEqual([['ok', `127.0.0.1:${port} takes connections`, undefined]]);
  server.close();
  // Nothing listens on port 1.
  expect(await said('http://127.0.0.1:1')).toEqual([
    ['warn', '127.0.0.1:1 cannot be reached (ECONNREFUSED)', 'is it running there? LABCTL_BASTION_URL'],
  ]);
});
