import { Command, InvalidArgumentError } from 'commander'
import { HeadraceError } from '../../runtime/errors.ts'
import { EXIT, printJson, table } from '../output.ts'
import { type PartitionPlan, planPartitions, REPLICAS_PER_BROKER_MAX } from '../partition-plan.ts'

export function planCommand(): Command {
  return new Command('plan')
    .description('Counts the partitions and replicas that pipelines need, against what the brokers carry.')
    .argument('<pipeline.yaml...>', 'pipeline files; FILE=GATEWAYS where not all have as many')
    .option('--gateways <n>', 'gateways that run each of them', count, 1)
    .option('--brokers <n>', 'brokers of the cluster', count, 3)
    .option('--replication <n>', 'copies of each partition', count, 3)
    .option('--replicas-per-broker <n>', 'what one broker may carry', count, REPLICAS_PER_BROKER_MAX)
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  headrace plan cold-store.yaml --gateways 400 --brokers 3\n  headrace plan cold-store.yaml=400 workshop.yaml=12 --brokers 5',
    )
    .action(async (files: string[], options: PlanOptions) => {
      const { isTestFile, loadPipelines } = await import('../../config/load.ts')
      const named = files.map(text => fileAndGateways(text, options.gateways)).filter(({ file }) => !isTestFile(file))
      if (named.length === 0) {
        throw new HeadraceError('config_invalid', `${files.join(', ')} is a file of tests, and no pipeline is named`, {
          advice: 'Name pipeline files.',
        })
      }
      const gatewaysOf = new Map(named.map(({ file, gateways }) => [file, gateways]))
      const pipelines = loadPipelines([...gatewaysOf.keys()], 'any gateways').map(pipeline => ({
        pipeline,
        gateways: gatewaysOf.get(pipeline.file) ?? options.gateways,
      }))
      const { brokers, replication, replicasPerBroker } = options
      const plan = planPartitions({ pipelines, brokers, replication, replicasPerBroker })
      if (options.json) printJson(shown(plan))
      else {
        const { topics, own } = plan
        const rows = topics.map(({ topic, sources, partitions, replicas }) => [topic, sources, partitions, replicas])
        rows.push(['headrace.*', '', own.partitions, own.replicas])
        process.stdout.write(`${table(['topic', 'sources', 'partitions', 'replicas'], rows)}\n\n`)
        process.stdout.write(
          `${plan.replicas} replicas on ${brokers} broker${brokers === 1 ? '' : 's'}: ${plan.replicasPerBroker} each, ${plan.replicasPerBrokerMax} are allowed. ${plan.fits ? 'It fits.' : 'It does not fit.'}\n`,
        )
        for (const line of plan.advice) process.stdout.write(`${line}\n`)
      }
      if (!plan.fits) process.exitCode = EXIT.failed
    })
}

interface PlanOptions {
  readonly gateways: number
  readonly brokers: number
  readonly replication: number
  readonly replicasPerBroker: number
  readonly json?: true
}

function shown({ replicasPerBroker, replicasPerBrokerMax, brokersNeeded, ...rest }: PartitionPlan) {
  return {
    ...rest,
    replicas_per_broker: replicasPerBroker,
    replicas_per_broker_max: replicasPerBrokerMax,
    brokers_needed: brokersNeeded,
  }
}

/** `FILE=GATEWAYS`, or a file alone; throws `config_invalid` where what is behind the file is no number of gateways. */
function fileAndGateways(text: string, otherwise: number): { file: string; gateways: number } {
  const [, file, gateways] = /^(.+\.ya?ml)=(.*)$/.exec(text) ?? []
  if (file === undefined || gateways === undefined) return { file: text, gateways: otherwise }
  const number = Number(gateways)
  if (isCount(number)) return { file, gateways: number }
  throw new HeadraceError('config_invalid', `"${gateways}" in ${text} is no number of gateways`, {
    advice: 'Write a whole number from 1 on behind the file, such as cold-store.yaml=400.',
  })
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= 1_000_000
}

function count(text: string): number {
  const value = Number(text)
  if (!isCount(value)) throw new InvalidArgumentError('write a whole number from 1 on.')
  return value
}
