// The floor: reads an environment, says the same commands as a call of the node, reads an answer to each, closes. No parsing, no limits, no records.
import { createServer } from 'node:net';

const [port = '0', count = '4'] = process.argv.slice(2);
const ALL = [
  'SET VARIABLE VOICEOI_CALL_ID "01a20d04-85bd-7461-9a5a-cc2195dc5678"',
  'ANSWER',
  'SET VARIABLE VOICEOI_OUTCOME "completed"',
  'SET VARIABLE VOICEOI_DISPOSITION "NI"',
];
const commands = Array.from({ length: Number(count) }, (_, index) => `${ALL[index % ALL.length]}\n`);

const server = createServer({ noDelay: true }, (socket) => {
  let next = -1;
  let text = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    if (next < 0) {
      text += chunk.toString('latin1');
      if (!text.endsWith('\n\n')) return;
    }
    const command = commands[++next];
    if (command === undefined) socket.end();
    else socket.write(command);
  });
});
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 }, () => console.log('listening'));
