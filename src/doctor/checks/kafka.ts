import { findCoordinator, TOPIC_OPERATIONS, type TopicOperation } from '../../log/kafka/apis.ts'
import { KafkaCluster } from '../../log/kafka/cluster.ts'
import { KAFKA_ERROR } from '../../log/kafka/error-codes.ts'
import { describeConfigs, type Settings } from '../../log/kafka/topic-apis.ts'
import { wrongSettings } from '../../log/kafka/topics.ts'
import type { KafkaOptions } from '../../log/options.ts'
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { error, type Finding, ok, warning } from '../finding.ts'

const CHECK = 'kafka'
/** A producer that is forgotten is one whose repeats are taken: this is the most that the setting can be. */
const EXPIRATION_MAX = '2147483647'
const BROKERS_FOR_THREE = 3
const CLAIMS_TOPIC = 'headrace.claims'

/** What a core does with the topics that are its own, and with those of its pipelines; `headrace acls` prints the rules that give it. */
const OWN_RIGHTS: readonly TopicOperation[] = ['Describe', 'DescribeConfigs', 'Read', 'Write']
const PIPELINE_RIGHTS: readonly TopicOperation[] = [...OWN_RIGHTS, 'Alter', 'Delete']
/** A group that nobody has: asked about, it is not made. */
const OWN_GROUP = 'headrace.doctor'
const RIGHTS_ADVICE = 'Give this user what is missing: headrace acls --config core.yaml prints the rules.'

/** Brokers, and the settings of the topics that matter here: what is read from Kafka itself, nothing is changed. */
export async function checkKafka(options: KafkaOptions, topics: readonly string[], clock: Clock): Promise<Finding[]> {
  const cluster = new KafkaCluster(options, clock, silentLogger)
  try {
    const wanted = [...new Set([CLAIMS_TOPIC, ...topics])]
    const found = await cluster.describe(wanted, true)
    const findings = [brokers(found.brokers.length, options)]
    const [broker] = found.brokers
    await cluster.refresh()
    if (broker) findings.push(expiration(await brokerConfig(cluster, broker.id)), ...(await groups(cluster, broker.id)))
    for (const { topic, error: code, partitions, operations } of found.topics) {
      if (code === KAFKA_ERROR.topicAuthorizationFailed) {
        findings.push(error(CHECK, `${topic}: this user may not even see it (ACL)`, RIGHTS_ADVICE))
        continue
      }
      if (code !== 0) {
        findings.push(ok(CHECK, `topic ${topic} is not there yet: it is made when it is needed`))
        continue
      }
      findings.push(...rights(topic, operations, topic === CLAIMS_TOPIC ? OWN_RIGHTS : PIPELINE_RIGHTS))
      if (!isGranted(operations, 'DescribeConfigs')) continue
      const config = await topicConfig(cluster, topic)
      findings.push(...settings(topic, config, found.brokers.length))
      const away = partitions.filter(({ leader }) => leader < 0)
      if (away.length > 0)
        findings.push(
          error(
            CHECK,
            `${topic}: ${away.length} of ${partitions.length} partitions have no leader`,
            'Bring the brokers back that hold them.',
          ),
        )
    }
    return findings
  } catch (cause) {
    return [
      error(
        CHECK,
        messageOf(cause),
        'Look at `log.kafka`: addresses, TLS, and whether this user may describe the cluster (ACL).',
      ),
    ]
  } finally {
    await cluster.close()
  }
}

async function topicConfig(cluster: KafkaCluster, topic: string): Promise<Settings> {
  const { error: code, message, settings } = await cluster.ask(describeConfigs, { type: 'topic', name: topic })
  if (code !== KAFKA_ERROR.none)
    throw new Error(`the settings of ${topic} could not be read: ${message ?? `Kafka error ${code}`}`)
  return settings
}

/** What a broker is set to; nothing where this user may not read it, which is no more than a core needs. */
async function brokerConfig(cluster: KafkaCluster, broker: number): Promise<Settings> {
  const {
    error: code,
    message,
    settings,
  } = await cluster.request(broker, describeConfigs, {
    type: 'broker',
    name: String(broker),
  })
  if (code === KAFKA_ERROR.none || code === KAFKA_ERROR.clusterAuthorizationFailed) return settings
  throw new Error(`the settings of broker ${broker} could not be read: ${message ?? `Kafka error ${code}`}`)
}

/** Whether batch jobs and analysers may keep where they are. */
async function groups(cluster: KafkaCluster, broker: number): Promise<Finding[]> {
  const { error: code } = await cluster.request(broker, findCoordinator, { group: OWN_GROUP })
  if (code !== KAFKA_ERROR.groupAuthorizationFailed) return []
  return [error(CHECK, 'groups that begin with headrace.: this user may not Read, Describe (ACL)', RIGHTS_ADVICE)]
}

function isGranted(operations: number | undefined, operation: TopicOperation): boolean {
  return operations === undefined || (operations & (1 << TOPIC_OPERATIONS[operation])) !== 0
}

/** What this user may do with a topic, as the broker itself says; without an authorizer that is everything. */
function rights(topic: string, operations: number | undefined, needed: readonly TopicOperation[]): Finding[] {
  if (operations === undefined) return []
  const missing = needed.filter(operation => !isGranted(operations, operation))
  return missing.length === 0
    ? [ok(CHECK, `${topic}: this user may do all that a core does (${needed.join(', ')})`)]
    : [error(CHECK, `${topic}: this user may not ${missing.join(', ')} (ACL)`, RIGHTS_ADVICE)]
}

function brokers(count: number, { brokers: named }: KafkaOptions): Finding {
  if (count < BROKERS_FOR_THREE)
    return warning(
      CHECK,
      `${count} broker${count === 1 ? '' : 's'}: the loss of one disk is the loss of what only it had`,
      'Three brokers keep every acknowledged record through the loss of one. Gateways send again what is in their rewind window.',
    )
  return named.length === 1
    ? warning(
        CHECK,
        `${count} brokers, one of them named in log.kafka.brokers`,
        'Name several: a core that starts while that one is away finds none.',
      )
    : ok(CHECK, `${count} brokers`)
}

function expiration(config: Settings): Finding {
  const value = config.get('producer.id.expiration.ms')
  if (value === undefined)
    return warning(
      CHECK,
      'producer.id.expiration.ms cannot be read by this user',
      `See that it is ${EXPIRATION_MAX} on every broker.`,
    )
  return value === EXPIRATION_MAX
    ? ok(CHECK, `producer.id.expiration.ms is ${value}`)
    : warning(
        CHECK,
        `producer.id.expiration.ms is ${value}: a broker forgets a gateway that was silent for so long`,
        `Set producer.id.expiration.ms=${EXPIRATION_MAX} on every broker; until then the cores alone guard against repeats.`,
      )
}

function settings(topic: string, config: Settings, brokerCount: number): Finding[] {
  const wrong = wrongSettings(config)
  const findings = wrong.map(({ name, value, why }) =>
    error(
      CHECK,
      `${topic}: ${name} is ${config.get(name)}, needed is ${value}: ${why}`,
      `kafka-configs --alter --entity-type topics --entity-name ${topic} --add-config ${name}=${value}`,
    ),
  )
  const inSync = config.get('min.insync.replicas')
  if (brokerCount >= BROKERS_FOR_THREE && Number(inSync) < 2)
    findings.push(
      warning(
        CHECK,
        `${topic}: min.insync.replicas is ${inSync}: a record may be acknowledged by one broker alone`,
        `kafka-configs --alter --entity-type topics --entity-name ${topic} --add-config min.insync.replicas=2`,
      ),
    )
  return findings.length > 0 ? findings : [ok(CHECK, `${topic}: its settings are right`)]
}
