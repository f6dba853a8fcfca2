/**
 * Our end as a program of its own, set up by a configuration file as `rosenpass exchange-config` takes it:
 *
 *     bun peer.ts CONFIG [--version auto|V02|V03] [--ciphertext auto|pc188|r4-156]
 *
 * Writes each key to `key_out` and says so as Rosenpass does; a line before it tells what was spoken. The word `exchange` on
 * standard input begins an exchange; the end of the input ends the program.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { parseArgs } from 'node:util';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import { keyOutput } from '@labmesh/rosenpass/formats/key-output';
import { parseRosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { prefix } from '@labmesh/rosenpass/key-prefixes';
import { type Dialect, type OnNews, openOurEnd } from './our-end.ts';

/** What was spoken, then what a key's owner is told (X5). */
const tell: OnNews = (news, peer) => {
  if (news.effect === 'dropped') return console.log(`dropped ${news.reason} ${news.detail ?? ''}`.trimEnd());
  if (peer === undefined) return;
  const isKey = news.effect === 'exchanged';
  const key = isKey ? news.osk : crypto.getRandomValues(new Uint8Array(32));
  if (isKey) console.log(`spoke ${news.version} ${news.ciphertext} as ${news.role}`);
  const { keyOut } = peer.settings;
  if (keyOut !== undefined) {
    const peerId = prefix(peer.options.key.prefixes, isKey ? news.version : 'V02', 'peerId');
    const { fileText, line } = keyOutput(peerId, key, keyOut, news.effect);
    writePrivateFile(keyOut, fileText);
    console.log(line);
  }
  key.fill(0);
};

const { values, positionals } = parseArgs({
  options: { version: { type: 'string', default: 'auto' }, ciphertext: { type: 'string', default: 'auto' } },
  allowPositionals: true,
});
const [path] = positionals;
if (path === undefined) throw new Error('name a configuration file');
const { config, warnings } = parseRosenpassToml(path, readFileSync(path, 'utf8'), homedir());
for (const warning of warnings) console.error(warning);
await using end = await openOurEnd(config, values as Dialect, tell);
for await (const line of console) if (line === 'exchange') end.begin();
