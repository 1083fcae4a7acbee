import { text } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import { HeadraceError } from '../../runtime/errors.ts'
import { print } from '../output.ts'

const ROLES = ['viewer', 'operator'] as const

export function consoleCommand(): Command {
  return new Command('console').description('Who may log in to the web console.').addCommand(
    new Command('add-user')
      .description(
        'Adds a user to the file that `console.users` names, or gives one another password. The password is read from standard input.',
      )
      .argument('<name>', 'under which the user logs in', userName)
      .requiredOption('--users <file>', 'the file; made where it is not there')
      .addOption(new Option('--role <role>', 'a viewer looks, an operator acts as well').choices(ROLES).default('viewer'))
      .addHelpText(
        'after',
        '\nExample:\n  headrace console add-user anna --role operator --users /etc/headrace/users.json < password',
      )
      .action(async (name: string, options: { users: string; role: (typeof ROLES)[number] }) => {
        const { PASSWORD_LENGTH_MIN, Users } = await import('../../console/users.ts')
        const password = (await text(process.stdin)).replace(/\r?\n$/, '')
        if (password.length < PASSWORD_LENGTH_MIN) {
          throw new HeadraceError(
            'config_invalid',
            `the password has ${password.length} characters, ${PASSWORD_LENGTH_MIN} are needed`,
            {
              advice: 'Give it on standard input.',
            },
          )
        }
        await new Users(options.users).put(name, options.role, password)
        print(`${name} may log in as ${options.role}.`)
      }),
  )
}

function userName(name: string): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name)) throw new InvalidArgumentError('Lower-case letters, digits, . _ and -.')
  return name
}
