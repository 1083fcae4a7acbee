#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { fileReasonOf } from '../runtime/errors.ts'
import { hideSecrets } from '../runtime/hide-secrets.ts'
import { commandsFor } from './commands.ts'
import { EXIT, report } from './output.ts'
import { BUILD, VERSION } from './version.ts'

const program = new Command('headrace')
  .description('An edge-to-core data pipeline: from the device to the Kafka partition, in order, exactly once.')
  .version(`${VERSION} (build ${BUILD}, Node ${process.versions.node}, ${process.platform}-${process.arch})`)
  .showSuggestionAfterError()
  .exitOverride()

for (const command of await commandsFor(process.argv.slice(2))) program.addCommand(careful(command()))

/** What commander says of arguments repeats them: one may be a token in the wrong place. And it ends the process with a code of its own. */
function careful(command: Command): Command {
  command.exitOverride().configureOutput({ writeErr: text => void process.stderr.write(hideSecrets(text)) })
  for (const sub of command.commands) careful(sub)
  return command
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads has seen enough, as `head` has.
  if (error.code === 'EPIPE') return
  process.stderr.write(`standard output cannot be written: ${fileReasonOf(error)}\n`)
  process.exitCode = EXIT.failed
})
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.wrongInput
  else process.exitCode = report(error)
}
// What a command left running would keep the process from ending: it has said that it is done.
// Behind the turn of the event loop in which it is said what could not be written.
process.stdout.write('', () => setImmediate(() => process.exit()))
