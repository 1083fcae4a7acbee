import { Command, Option } from 'commander'
import { COMPONENTS, type Component, kafkaAcls } from '../kafka-acls.ts'

export function aclsCommand(): Command {
  return new Command('acls')
    .description('Prints the kafka-acls commands that let each component do what it does, and nothing else.')
    .argument('[pipeline.yaml...]', 'pipelines of gateways, where core.yaml does not name them')
    .requiredOption('--config <file>', 'core.yaml')
    .addOption(new Option('--component <name>', 'only this one').choices([...COMPONENTS]))
    .option('--core <principal>', 'who the cores are', 'User:headrace-core')
    .option('--reader <principal>', 'who reads the topics: a consumer of your own', 'User:headrace-reader')
    .option('--command-config <file>', 'handed on to kafka-acls')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  headrace acls --config core.yaml cold-store.yaml --command-config admin.properties | sh')
    .action(async (files: string[], options: AclOptions) => {
      const { loadCore, loadPipelines } = await import('../../config/load.ts')
      const { HeadraceError } = await import('../../runtime/errors.ts')
      const { config, pipelines: named } = loadCore(options.config)
      const { kafka } = config.log
      if (!kafka) {
        throw new HeadraceError('config_invalid', `${options.config}: the log is not Kafka`, {
          advice: 'ACLs are Kafka’s: nothing has to be done for the embedded log.',
        })
      }
      const pipelines = [...named, ...loadPipelines(files, 'any gateways')]
      if (pipelines.length === 0) {
        throw new HeadraceError(
          'config_invalid',
          `${options.config} names no pipelines: which topics are written is not known here`,
          {
            advice: `Name the pipelines of its gateways: headrace acls --config ${options.config} PIPELINE.yaml`,
          },
        )
      }
      const principals = { core: options.core, reader: options.reader }
      const components = options.component ? [options.component] : COMPONENTS
      const acls = kafkaAcls(pipelines, components, principals)
      if (options.json) process.stdout.write(`${JSON.stringify(acls, null, 2)}\n`)
      else for (const acl of acls) process.stdout.write(`${commandOf(acl, kafka.brokers, options.commandConfig)}\n`)
    })
}

interface AclOptions {
  readonly config: string
  readonly component?: Component
  readonly core: string
  readonly reader: string
  readonly commandConfig?: string
  readonly json?: true
}

function commandOf(
  { principal, operations, resource, pattern }: ReturnType<typeof kafkaAcls>[number],
  brokers: readonly string[],
  commandConfig: string | undefined,
): string {
  const words = ['kafka-acls.sh', '--bootstrap-server', brokers.join(',')]
  if (commandConfig !== undefined) words.push('--command-config', commandConfig)
  words.push('--add', '--allow-principal', principal)
  for (const operation of operations) words.push('--operation', operation)
  words.push(...resource)
  if (pattern === 'prefixed') words.push('--resource-pattern-type', 'prefixed')
  return words.map(word => (/^[\w:./,=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
}
