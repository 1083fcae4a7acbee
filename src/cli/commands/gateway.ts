import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import type { Forgotten } from '../gateway-calls.ts'
import { print, printJson } from '../output.ts'
import { controlOf, type WhereOptions } from '../where.ts'

export function gatewayCommand(): Command {
  const command = new Command('gateway').description('Looks after the gateways of a core.')
  command.addCommand(
    new Command('forget')
      .description('Says that a gateway was replaced: whichever installation of this name opens next is the real one.')
      .argument('<gateway>', 'its name')
      .option('--config <file>', 'core.yaml')
      .option('--state <directory>', 'the state directory; ./.headrace unless set')
      .option('--json', 'for programs')
      .addHelpText(
        'after',
        '\nThe one that is lost has to be gone for good. A new one that was refused (other_instance) asks again within half a minute. Records, partitions and\ncertificates stay as they are. Where several cores run, say it to each.',
      )
      .action(async (gateway: string, options: WhereOptions & { json?: true }) => {
        const forgotten = await control<Forgotten>(controlOf(options, 'core'), 'gateway.forget', { gateway })
        if (options.json) printJson(forgotten)
        else {
          const link = forgotten.was_connected ? ' Its link was closed.' : ''
          print(`${gateway} is forgotten: whichever installation of it opens next is the real one.${link}`)
        }
      }),
  )
  return command
}
