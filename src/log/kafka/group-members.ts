import { HeadraceError } from '../../runtime/errors.ts'
import type { GroupMember } from '../log.ts'
import { COORDINATOR_BUSY, KAFKA_ERROR } from './error-codes.ts'
import { type Api, type WireReader, WireWriter } from './wire.ts'

/** What a coordinator says of a group. */
export interface GroupDescription {
  readonly error: number
  readonly state: string
  readonly members: readonly GroupMember[]
}

/** The state of a group that the request does not know. */
const DEAD = 'Dead'
const NOT_DESCRIBED: GroupDescription = { error: KAFKA_ERROR.unknownServerError, state: '', members: [] }

/*
  DescribeGroups v4 (key 15)
    request   [group STRING], includeAuthorizedOperations BOOLEAN
    response  throttleMs INT32, [error INT16, group STRING, state STRING, protocolType STRING, protocol STRING, [member STRING,
              instance NULLABLE_STRING, client STRING, host STRING, metadata BYTES, assignment BYTES], authorizedOperations INT32]
  Groups of the consumer protocol of Kafka 4 (KIP-848) are "Dead" to it.
*/
export const describeGroups: Api<{ group: string }, GroupDescription> = {
  key: 15,
  version: 4,
  name: 'DescribeGroups',
  write: ({ group }) => {
    const out = new WireWriter()
    return out
      .array([group], each => out.string(each))
      .int8(0)
      .done()
  },
  read(response) {
    response.throttle()
    const [found] = response.array(() => {
      const error = response.int16()
      response.string()
      const state = response.string() ?? ''
      response.string()
      response.string()
      const members = response.array(() => {
        const id = response.string() ?? ''
        response.string()
        const member = { id, client: response.string() ?? '', host: response.string() ?? '' }
        response.bytes()
        response.bytes()
        return member
      })
      response.int32()
      return { error, state, members }
    })
    return found ?? NOT_DESCRIBED
  },
}

/*
  ListGroups v4 (key 16, flexible)
    request   [state COMPACT_STRING]
    response  throttleMs INT32, error INT16, [group COMPACT_STRING, protocolType COMPACT_STRING, state COMPACT_STRING]
*/
const LIVE_STATES = ['Stable', 'PreparingRebalance', 'CompletingRebalance', 'Assigning', 'Reconciling']

export const listLiveGroups: Api<null, { error: number; groups: readonly string[] }> = {
  key: 16,
  version: 4,
  name: 'ListGroups',
  write: () => {
    const out = new WireWriter().tags()
    return out
      .compactArray(LIVE_STATES, state => out.compactString(state))
      .tags()
      .done()
  },
  read(response) {
    response.tags()
    response.throttle()
    const error = response.int16()
    const groups = response.compactArray(() => {
      const group = response.compactString() ?? ''
      response.compactString()
      response.compactString()
      response.tags()
      return group
    })
    return { error, groups }
  },
}

/*
  ConsumerGroupDescribe v0 (key 69, flexible)
    request   [group COMPACT_STRING], includeAuthorizedOperations BOOLEAN
    response  throttleMs INT32, [error INT16, message COMPACT_NULLABLE_STRING, group COMPACT_STRING, state COMPACT_STRING, groupEpoch INT32,
              assignmentEpoch INT32, assignor COMPACT_STRING, [member COMPACT_STRING, instance COMPACT_NULLABLE_STRING,
              rack COMPACT_NULLABLE_STRING, memberEpoch INT32, client COMPACT_STRING, host COMPACT_STRING, [topic COMPACT_STRING],
              topicRegex COMPACT_NULLABLE_STRING, assignment, targetAssignment], authorizedOperations INT32]
    assignment  [topicId UUID, topic COMPACT_STRING, [partition INT32]]
*/
export const describeConsumerGroup: Api<{ group: string }, GroupDescription> = {
  key: 69,
  version: 0,
  name: 'ConsumerGroupDescribe',
  write: ({ group }) => {
    const out = new WireWriter().tags()
    return out
      .compactArray([group], each => out.compactString(each))
      .int8(0)
      .tags()
      .done()
  },
  read(response) {
    response.tags()
    response.throttle()
    const [found] = response.compactArray(() => {
      const error = response.int16()
      response.compactString()
      response.compactString()
      const state = response.compactString() ?? ''
      response.int32()
      response.int32()
      response.compactString()
      const members = response.compactArray(() => readMember(response))
      response.int32()
      response.tags()
      return { error, state, members }
    })
    return found ?? NOT_DESCRIBED
  },
}

function readMember(response: WireReader): GroupMember {
  const id = response.compactString() ?? ''
  response.compactString()
  response.compactString()
  response.int32()
  const member = { id, client: response.compactString() ?? '', host: response.compactString() ?? '' }
  response.compactArray(() => response.compactString())
  response.compactString()
  for (let assignment = 0; assignment < 2; assignment++) {
    response.compactArray(() => {
      response.raw(16)
      response.compactString()
      response.compactArray(() => response.int32())
      response.tags()
    })
    response.tags()
  }
  response.tags()
  return member
}

/** Sends one request to the coordinator of the group. */
export type AskCoordinator = <Request, Response extends { error: number }>(
  api: Api<Request, Response>,
  request: Request,
) => Promise<Response>

/** Who is in a group now, by whichever of the two protocols. */
export async function membersOf(group: string, ask: AskCoordinator): Promise<readonly GroupMember[]> {
  const classic = await ask(describeGroups, { group })
  if (classic.members.length > 0 || classic.state !== DEAD) return classic.members
  // Brokers of before the newer protocol do not know its request, and end the connection: only one that has such a group is asked.
  const { groups } = await ask(listLiveGroups, null)
  return groups.includes(group) ? (await ask(describeConsumerGroup, { group })).members : []
}

const FORBIDDEN: readonly number[] = [KAFKA_ERROR.groupAuthorizationFailed, KAFKA_ERROR.topicAuthorizationFailed]

/** What a coordinator said of a group in the end. */
export function groupError(group: string, error: number): HeadraceError {
  const what = COORDINATOR_BUSY.includes(error)
    ? `the coordinator of group ${group} does not answer`
    : `group ${group} cannot be used`
  return new HeadraceError('log_unavailable', `${what}: Kafka error ${error}`, {
    ...(FORBIDDEN.includes(error) && {
      advice: 'Give this core what it is not allowed: `headrace acls --config core.yaml` prints the rules.',
    }),
  })
}
