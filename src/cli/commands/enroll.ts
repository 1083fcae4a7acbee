import { Command } from 'commander'
import { EXIT, print, printJson } from '../output.ts'

interface EnrollCommandOptions {
  readonly token?: string
  readonly tokenFile?: string
  readonly url?: string
  readonly config?: string
  readonly state?: string
  readonly json?: true
}

export function enrollCommand(): Command {
  return new Command('enroll')
    .description('Gets this gateway its certificate: makes a key that never leaves it, and has it signed for a one-time token.')
    .option('--token <token>', 'what `headrace ca token` printed on the core; or in HEADRACE_ENROLL_TOKEN')
    .option('--token-file <file>', 'a file that holds it; - is standard input')
    .option('--url <amqps://host:port>', 'the core; unless set what the token says, or edge.yaml')
    .option('--config <file>', 'edge.yaml')
    .option('--state <directory>', 'the state directory, where there is no edge.yaml yet')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nA gateway whose clock is wrong can enrol too. Enrolling again replaces the key and the certificate.\n\nExamples:\n  headrace enroll --config /etc/headrace/edge.yaml --token hr1.…\n  headrace enroll --state /var/lib/headrace --token-file token.txt --url amqps://core.example:5671',
    )
    .action(async (options: EnrollCommandOptions) => {
      const { enroll } = await import('../enroll.ts')
      const done = await enroll(options, process.env['HEADRACE_ENROLL_TOKEN'])
      if (options.json) printJson(done)
      else
        print(
          `${done.gateway} is enrolled with ${done.url}: its key and certificate, good until ${done.good_until}, are in ${done.file}.`,
        )
      process.exitCode = EXIT.done
    })
}
