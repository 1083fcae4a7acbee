import { createInterface } from 'node:readline/promises'
import { Command, InvalidArgumentError } from 'commander'
import { parseDurationMs } from '../../runtime/units.ts'
import { durationOption, nameArgument } from '../arguments.ts'
import { print } from '../output.ts'

interface InitOptions {
  readonly gateway?: string
  readonly core?: string
  readonly hardware?: string
  readonly pipeline?: string
  readonly port?: string
  readonly listen: number
  readonly ask?: true
  readonly yes?: true
}

export function initCommand(): Command {
  return new Command('init')
    .description('Writes a first pipeline: asks what it has to know, and listens on a serial port for what it can find out.')
    .argument('[folder]', 'where the files go', '.')
    .option('--gateway <name>', "name of the gateway; the host's name unless said", nameArgument)
    .option('--core <url>', 'address of the core; none: everything on this machine')
    .option('--hardware <profile>', 'what the gateway is: a profile of hardware/gateways/, or none')
    .option('--pipeline <name>', 'name of the pipeline', nameArgument)
    .option('--port <path>', 'serial port to listen on, or none')
    .addOption(durationOption('--listen <duration>', 'how long each line setting is listened to', listenArgument, 3_000))
    .option('--ask', 'also asks a silent device. Do not where commands could move something.')
    .option('--yes', 'asks nothing: what is not said has its default')
    .addHelpText(
      'after',
      '\nExamples:\n  headrace init\n  headrace init /etc/headrace --gateway plant-a-1 --core amqps://core.example:5671 --port /dev/ttyUSB0 --yes',
    )
    .action(async (folder: string, { listen, ask, yes, ...said }: InitOptions) => {
      const { initialise } = await import('../init.ts')
      const isAsked = yes !== true && process.stdin.isTTY && process.stdout.isTTY
      const terminal = isAsked ? createInterface({ input: process.stdin, output: process.stdout }) : undefined
      try {
        const { files, next } = await initialise(
          folder,
          { ...said, listenMs: listen, ...(ask && { mayAsk: ask }) },
          { say: print, ...(terminal && { ask: question => terminal.question(question) }) },
        )
        print(`Written: ${files.join(', ')}`)
        print(`Next: ${next}`)
      } finally {
        terminal?.close()
      }
    })
}

function listenArgument(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined || ms < 100 || ms > 60_000)
    throw new InvalidArgumentError('Write a duration such as 3s, from 100ms to 60s.')
  return ms
}
