// The shared library with every step recorded: what runs in which order, under which credentials and locks, and what happens when something fails. What the
// steps do is not asked here.
import com.lesfurets.jenkins.unit.cps.PipelineTestHelperCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException.ExceededTimeout
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException.Rejection
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException.UserInterruption
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class ModelPipelineTest {
    @Rule public TemporaryFolder folder = new TemporaryFolder()

    static class AgentLost extends Exception {
        AgentLost() { super('agent went offline') }
    }

    /** As much of `currentBuild` as is asked. */
    static class Build implements Serializable {
        List causes
        long startTimeInMillis
        Build previousBuiltBuild
        String result
        List getBuildCauses(String kind) { causes.findAll { it == kind } }
    }

    Library library = new Library()
    Map variables = [MLOPS_POLICY: '/secret/policy', BRANCH_NAME: 'main', BRANCH_IS_PRIMARY: 'true', JOB_BASE_NAME: 'main']
    String policy = '''{"model": "churn", "environments": ["staging", "production"], "approval": "never", "gate": {"minutes": 5},
        "credentials": ["monitoring", "store-reader", "vault-password"]}'''
    List causes = []
    Build build = new Build(causes: causes, startTimeInMillis: 10_000_000L)
    /** What happened, one line each; and what surrounded it. */
    List<String> steps = []
    List<String> around = []
    Map<String, List<String>> surroundings = [:]
    /** Step (begins with) -> what to throw; a closure decides each time. */
    Map<String, Object> faults = [:]
    Object answer = true
    String result = 'SUCCESS'
    Map timeouts = [:]
    int nodes = 0

    @Before
    void registerSteps() {
        library.open(folder.root)
        library.binding.setVariable('env', variables)
        library.binding.setVariable('scm', 'scm')
        library.binding.setVariable('currentBuild', build)
        allow('sh', [String]) { String script -> step(script.replace('mlops-pipeline ', '')) }
        allow('echo', [String]) { String text -> steps << "echo ${text}".toString() }
        allow('unstable', [String]) { String text -> result = 'UNSTABLE' }
        allow('checkout', [Object]) { step('checkout'); [GIT_COMMIT: 'c0ffee'] }
        allow('readFile', [String]) { String path -> assert path == '/secret/policy' && 'model-policy' in around; policy }
        allow('junit', [Map]) { Map given -> step("junit ${given.testResults} ${given.allowEmptyResults}") }
        allow('archiveArtifacts', [Map]) { Map given -> step("archive ${given.artifacts} ${given.allowEmptyArchive}") }
        allow('publishHTML', [Map]) { Map given -> step("html ${given.reportDir}/${given.reportFiles} ${given.allowMissing}") }
        allow('stash', [Map]) { Map given -> step('stash') }
        allow('unstash', [String]) { String name -> step('unstash') }
        allow('input', [Map]) { Map given -> step("input ${given.message}") }
        allow('properties', [List]) { List given -> steps << "properties ${given}".toString() }
        allow('stage', [String, Closure]) { String name, Closure body -> steps << "[${name}]".toString(); inside("stage ${name}", body) }
        allow('node', [String, Closure]) { String label, Closure body -> nodes++; inside("node ${label}", body) }
        allow('lock', [Map, Closure]) { Map given, Closure body -> inside("lock ${given.resource}", body) }
        allow('timeout', [Map, Closure]) { Map given, Closure body -> assert given.unit == 'MINUTES'; inside("timeout ${given.time}", body) }
        allow('withCredentials', [List, Closure]) { List given, Closure body -> inside(given*.credentialsId, body) }
        allow('parallel', [Map]) { Map branches -> parallel(branches) }
        allow('retry', [Map, Closure]) { Map given, Closure body ->
            assert given.conditions == ['agent', 'nonresumable']
            try {
                library.helper.callClosure(body)
            } catch (AgentLost lost) {
                steps << 'another agent'
                library.helper.callClosure(body)
            }
        }
    }

    void allow(String name, List<Class> parameters, Closure body) { library.allow(name, parameters, body) }

    void step(String what) {
        steps << what
        surroundings[what] = new ArrayList(around)
        def fault = faults.find { what == it.key || what.startsWith(it.key + ' ') }?.value
        fault = fault instanceof Closure ? fault() : fault
        if (fault) throw fault
    }

    def inside(what, Closure body) {
        int before = around.size()
        around.addAll([what].flatten()*.toString())
        try {
            return library.helper.callClosure(body)
        } finally {
            around = around.take(before)
        }
    }

    /** As Jenkins: every branch runs to its end, then the first failure is thrown. */
    void parallel(Map branches) {
        steps << "parallel ${branches.keySet().join(', ')}".toString()
        List failures = []
        branches.each { name, body ->
            try {
                inside('parallel', body)
            } catch (Exception e) {
                failures << e
            }
        }
        if (failures) throw failures[0]
    }

    /** Runs the one line of a project; answers with what the build threw. */
    Exception run(String given = '') {
        File file = folder.newFile()
        file.text = "@Library('mlops') _ ; modelPipeline(${given})"
        try {
            library.runScript(file.name)
            return null
        } catch (FlowInterruptedException e) {
            result = e.result
            return e
        } catch (Exception e) {
            result = 'FAILURE'
            return e
        }
    }

    List<String> stages() { steps.findAll { it.startsWith('[') }.collect { it[1..-2] } }

    /** All of them happened, first in this order. */
    void inOrder(String... wanted) { assert steps.findAll { it in wanted }.unique() == wanted as List }

    void branch() { variables.BRANCH_NAME = 'idea'; variables.remove('BRANCH_IS_PRIMARY') }

    void retrain() { variables.remove('BRANCH_NAME'); variables.remove('BRANCH_IS_PRIMARY'); variables.JOB_BASE_NAME = 'retrain' }

    static final List CHECKS = ['Lint', 'Unit tests', 'Integration tests', 'Data checks', 'Model validation']
    static final List BEFORE = ['Checkout', 'Environment', 'Checks'] + CHECKS
    static final List RELEASE = BEFORE + ['Package', 'Publish', 'Staging', 'Gate', 'Production', 'Report']

    // --- the way to production ----------------------------------------------------------------------------------------------------------------

    @Test
    void 'the default branch goes to production'() {
        assert run() == null
        assert result == 'SUCCESS'
        assert stages() == RELEASE
        List own = ['environment', 'lint', 'unit', 'integration', 'data', 'train', 'validate', 'package', 'publish', 'deploy staging', 'gate',
                    'deploy production', 'summary']
        assert steps.findAll { it in own } == own
        inOrder('checkout', 'rm -rf build', 'report running', 'environment')
        assert steps.last() == 'report success'
        assert !steps.any { it.startsWith('comment') }
        assert variables.GIT_COMMIT == 'c0ffee'
        assert variables.MLOPS_TRIGGER == 'push'
    }

    @Test
    void 'the checks run in parallel and nothing else does'() {
        run()
        assert "parallel ${CHECKS.join(', ')}".toString() in steps
        List inside = surroundings.findAll { 'parallel' in it.value }.keySet().findAll { !it.startsWith('report ') } as List
        assert inside == ['lint', 'unit', 'integration', 'data', 'train', 'validate']
    }

    @Test
    void 'each stage says its end to GitLab'() {
        run()
        for (name in ['Environment', *CHECKS, 'Package', 'Publish', 'Staging', 'Gate', 'Production']) {
            assert "report success --stage '${name}'".toString() in steps
        }
    }

    @Test
    void 'a tag goes on to production'() {
        branch()
        variables.TAG_NAME = 'v1.2'
        run()
        assert stages() == RELEASE
        assert variables.MLOPS_TRIGGER == 'tag'
        assert !('reason' in steps)
    }

    @Test
    void 'a schedule goes on to production'() {
        retrain()
        causes << 'hudson.triggers.TimerTrigger$TimerTriggerCause'
        run()
        assert stages() == RELEASE
        assert variables.MLOPS_TRIGGER == 'schedule'
        assert !('reason' in steps)
        assert !steps.any { it.startsWith('properties') }
    }

    @Test
    void 'feedback says its reason and goes on to production'() {
        retrain()
        run()
        assert stages() == RELEASE
        assert variables.MLOPS_TRIGGER == 'feedback'
        inOrder('report running', 'reason', 'environment')
    }

    void trainedBefore(int seconds) {
        retrain()
        policy = '{"model": "churn", "retrain": {"at_most_every": 3600}}'
        build.previousBuiltBuild = new Build(startTimeInMillis: build.startTimeInMillis - seconds * 1000L)
    }

    void tooEarly() {
        trainedBefore(3599)
        assert run() == null
        assert build.result == 'NOT_BUILT'
        assert steps.findAll { !it.startsWith('echo') } == ['[Checkout]', 'checkout', 'rm -rf build']
        assert 'echo too early: the last training began 3599 seconds ago, the site wants at least 3600 seconds between two' in steps
        assert nodes == 1
    }

    @Test void 'feedback that comes too early builds nothing and tells nobody'() { tooEarly() }

    @Test
    void 'feedback that is late enough goes on'() {
        trainedBefore(3600)
        run()
        assert stages() == RELEASE
        assert build.result == null
    }

    @Test
    void 'feedback goes on where nothing was built before, and where the site sets no time'() {
        trainedBefore(1)
        build.previousBuiltBuild = null
        run()
        assert stages() == RELEASE
        steps.clear()
        trainedBefore(1)
        policy = '{"model": "churn"}'
        run()
        assert stages() == RELEASE
    }

    @Test
    void 'a schedule, and a branch that is called as the job, are never too early'() {
        trainedBefore(1)
        causes << 'hudson.triggers.TimerTrigger$TimerTriggerCause'
        run()
        assert stages() == RELEASE
        causes.clear()
        steps.clear()
        variables.BRANCH_NAME = 'retrain'
        run()
        assert stages() == BEFORE + ['Report']
        assert variables.MLOPS_TRIGGER == 'push'
    }

    @Test
    void 'a tag that is no version ends after the checks'() {
        for (tag in ['nightly', '1.2', 'vanilla', 'old-v1']) {
            branch()
            variables.TAG_NAME = tag
            steps.clear()
            assert run() == null
            assert stages() == BEFORE + ['Report']
        }
    }

    @Test
    void 'a branch ends after the checks'() {
        branch()
        assert run() == null
        assert stages() == BEFORE + ['Report']
        assert 'comment --state success' in steps && steps.last() == 'report success'
        assert variables.MLOPS_TRIGGER == 'push'
    }

    @Test
    void 'a merge request ends after the checks, even one of the default branch'() {
        variables.CHANGE_ID = '7'
        assert run() == null
        assert stages() == BEFORE + ['Report']
        assert 'comment --state success' in steps && steps.last() == 'report success'
        assert variables.MLOPS_TRIGGER == 'merge request'
    }

    @Test
    void 'one build at a time, and a branch makes room for the next push'() {
        run()
        assert 'properties [[abortPrevious:false]]' in steps
        steps.clear()
        branch()
        run()
        assert 'properties [[abortPrevious:true]]' in steps
    }

    @Test
    void 'every environment but the last comes before the gate'() {
        policy = '{"model": "churn", "environments": ["canary", "staging", "eu"], "approval": "never"}'
        run()
        assert stages() - BEFORE == ['Package', 'Publish', 'Canary', 'Staging', 'Gate', 'Eu', 'Report']
    }

    @Test
    void 'one environment alone has no gate'() {
        policy = '{"model": "churn", "environments": ["production"]}'
        run()
        assert stages() - BEFORE == ['Package', 'Publish', 'Production', 'Report']
    }

    @Test
    void 'without environments in the policy there are two'() {
        policy = '{"model": "churn"}'
        run()
        assert stages() == RELEASE
    }

    // --- what fails ---------------------------------------------------------------------------------------------------------------------------

    void stops(String step, String stage, List after, Exception fault = new IllegalStateException('script returned exit code 1')) {
        faults[step] = fault
        Exception thrown = run()
        assert thrown.is(fault)
        assert stages() == after + ['Report']
        assert "report failed --stage '${stage}'".toString() in steps
        assert steps.last() == 'report failed'
        assert steps.count('report failed') == 1
        assert !('report success' in steps)
        assert 'summary' in steps
        assert 'archive build/*.json,build/*.jsonl,build/reports/** true' in steps
        assert nodes == (stage == 'Production' ? 2 : 1)
    }

    void stopsCheck(String step, String stage) {
        stops(step, stage, BEFORE)
        assert 'junit build/reports/*.xml true' in steps && 'html build/reports/validation.html true' in steps
        // The others run to their end: one build says all that is wrong.
        for (other in CHECKS - stage) assert "report success --stage '${other}'".toString() in steps
    }

    @Test void 'a failing environment stops'() { stops('environment', 'Environment', ['Checkout', 'Environment']) }

    @Test void 'failing lint stops before packaging'() { stopsCheck('lint', 'Lint') }

    @Test void 'a failing unit test stops before packaging'() { stopsCheck('unit', 'Unit tests') }

    @Test void 'a failing integration test stops before packaging'() { stopsCheck('integration', 'Integration tests') }

    @Test void 'a failing data check stops before packaging'() { stopsCheck('data', 'Data checks') }

    @Test void 'failing training stops before packaging'() { stopsCheck('train', 'Model validation') }

    @Test void 'failing validation stops before packaging'() { stopsCheck('validate', 'Model validation') }

    @Test void 'a failing package stops'() { stops('package', 'Package', BEFORE + ['Package']) }

    @Test void 'a failing publish stops'() { stops('publish', 'Publish', BEFORE + ['Package', 'Publish']) }

    @Test
    void 'a failing staging stops and is a failed deployment'() {
        stops('deploy staging', 'Staging', BEFORE + ['Package', 'Publish', 'Staging'])
        assert steps.findAll { it.startsWith('deployment') } == ['deployment staging running', 'deployment staging failed']
    }

    @Test
    void 'a gate that fails or holds stops before production'() {
        stops('gate', 'Gate', BEFORE + ['Package', 'Publish', 'Staging', 'Gate'])
        assert steps.findAll { it.startsWith('deployment') } == ['deployment staging running', 'deployment staging success']
    }

    @Test
    void 'a failing production is a failed deployment'() {
        stops('deploy production', 'Production', RELEASE - ['Report'])
        assert steps.findAll { it.startsWith('deployment production') } == ['deployment production running', 'deployment production failed']
    }

    @Test
    void 'a checkout that fails is reported'() {
        faults.checkout = new IllegalStateException('no route')
        assert run().is(faults.checkout)
        assert stages() == ['Checkout', 'Report']
        assert steps.last() == 'report failed'
    }

    @Test
    void 'a merge request that fails is told so in its comment'() {
        variables.CHANGE_ID = '7'
        stops('validate', 'Model validation', BEFORE)
        assert 'comment --state failed' in steps
    }

    @Test
    void 'a merge request whose build is stopped or too late is never told that it is good'() {
        variables.CHANGE_ID = '7'
        faults.train = new FlowInterruptedException(new UserInterruption())
        run()
        assert steps.takeRight(2) == ['comment --state canceled', 'report canceled']
        faults.train = new FlowInterruptedException(new ExceededTimeout())
        run()
        assert steps.takeRight(2) == ['comment --state failed', 'report failed']
    }

    @Test
    void 'a reason that cannot be had stops the training'() {
        retrain()
        faults.reason = new IllegalStateException('alertmanager does not answer')
        assert run().is(faults.reason)
        assert steps.last() == 'report failed'
    }

    @Test
    void 'a policy whose names are no words never gets into a command'() {
        for (bad in ['{"model": "churn; id"}', '{"model": "churn", "environments": ["$(id)"]}', '{}']) {
            policy = bad
            steps.clear()
            assert run().message.startsWith('policy: ')
            assert !steps.any { it.contains('id)') || it.contains('; id') }
            assert steps.last() == 'report failed'
        }
    }

    @Test
    void 'results are kept although Jenkins cannot read them'() {
        faults.junit = new IllegalStateException('no such file')
        faults.html = new IllegalStateException('no plugin')
        faults.archive = new IllegalStateException('disk full')
        faults.summary = new IllegalStateException('no steps')
        assert run() == null
        assert stages() == RELEASE
        for (text in ['no test results: no such file', 'no validation report: no plugin', 'nothing archived: disk full', 'no summary: no steps']) {
            assert "echo ${text}".toString() in steps
        }
    }

    // --- approval -----------------------------------------------------------------------------------------------------------------------------

    static final String ASKING = '{"model": "churn", "environments": ["staging", "production"], "approval": "production"}'

    @Test
    void 'approval is asked where the policy says so, and holds no agent'() {
        policy = ASKING
        assert run() == null
        assert stages() == RELEASE[0..-3] + ['Approval', 'Production', 'Report']
        def asked = surroundings['input Deploy churn to production?']
        assert asked == ['stage Approval', 'timeout 1440']
        assert nodes == 2
        inOrder('stash', 'report running --stage Approval', 'input Deploy churn to production?', 'unstash',
                'report success --stage Approval', 'deploy production')
    }

    @Test
    void 'no approval is asked where nobody wants one'() {
        run()
        assert !('Approval' in stages())
        assert !steps.any { it.contains('--stage Approval') }
    }

    @Test
    void 'a project can ask for approval but not refuse it'() {
        run('approval: "production"')
        assert 'Approval' in stages()
        steps.clear()
        policy = ASKING
        run('approval: "never"')
        assert 'Approval' in stages()
    }

    void refused(Object why) {
        policy = ASKING
        faults.input = new FlowInterruptedException(why)
        assert run().is(faults.input)
        assert result == 'ABORTED'
        assert !('Production' in stages())
        assert stages().last() == 'Report'
        assert steps.takeRight(2) == ['report canceled --stage Approval', 'report canceled']
        assert steps.lastIndexOf('unstash') > steps.indexOf('input Deploy churn to production?')
    }

    @Test void 'a refused approval ends as aborted and is reported'() { refused(new Rejection()) }

    @Test void 'an approval that nobody gives ends as aborted and is reported'() { refused(new ExceededTimeout()) }

    @Test void 'a build stopped while it waits is reported'() { refused(new UserInterruption()) }

    // --- time, agents, locks ------------------------------------------------------------------------------------------------------------------

    @Test
    void 'each stage has its time'() {
        run()
        Map minutes = [checkout: 10, environment: 30, lint: 10, unit: 30, integration: 60, data: 30, train: 240, validate: 240, 'package': 15,
                       publish: 30, 'deploy staging': 60, gate: 65, 'deploy production': 60, 'report success': 5, 'deployment staging running': 5]
        minutes.each { step, time -> assert surroundings[step].findAll { it.startsWith('timeout') }.last() == "timeout ${time}".toString() }
    }

    @Test
    void 'a project sets the time of a stage'() {
        run('timeouts: [validation: 7]')
        assert 'timeout 7' in surroundings.validate
        assert 'timeout 60' in surroundings.integration
    }

    @Test
    void 'too late is a failure with a reason'() {
        faults.train = new FlowInterruptedException(new ExceededTimeout())
        assert run().message == 'Model validation did not end within 240 minutes'
        assert result == 'FAILURE'
        assert stages() == BEFORE + ['Report']
        assert steps.last() == 'report failed'
    }

    @Test
    void 'a deployment that is too late has failed, outside its time'() {
        faults['deploy production'] = new FlowInterruptedException(new ExceededTimeout())
        run()
        assert surroundings['deployment production failed'].findAll { it.startsWith('timeout') } == ['timeout 5']
    }

    @Test
    void 'a build that somebody stops is reported as canceled'() {
        faults['deploy staging'] = new FlowInterruptedException(new UserInterruption())
        assert run().is(faults['deploy staging'])
        assert result == 'ABORTED'
        assert steps.findAll { it.startsWith('deployment') } == ['deployment staging running', 'deployment staging failed']
        assert "report canceled --stage 'Staging'".toString() in steps
        assert steps.last() == 'report canceled'
    }

    @Test
    void 'a build stopped while it tells GitLab does not go on'() {
        faults["report success --stage 'Publish'"] = new FlowInterruptedException(new UserInterruption())
        assert run().is(faults["report success --stage 'Publish'"])
        assert !('Staging' in stages())
        assert steps.last() == 'report canceled'
    }

    @Test
    void 'a lost agent is replaced, and the build still succeeds'() {
        boolean gone = false
        faults.unit = { if (!gone) { gone = true; new AgentLost() } }
        // With the agent away nothing can be told or kept from it.
        for (step in ['report failed', 'summary', 'archive', 'junit', 'html'])
            faults[step] = { gone && steps.count('another agent') == 0 ? new AgentLost() : null }
        assert run() == null
        assert result == 'SUCCESS'
        assert steps.count('another agent') == 1
        assert stages().takeRight(RELEASE.size()) == RELEASE
        assert steps.last() == 'report success'
    }

    @Test
    void 'agents that are lost again and again are reported from another one'() {
        faults.unit = { new AgentLost() }
        for (step in ['report failed', 'report success', 'summary']) faults[step] = { nodes < 3 ? new AgentLost() : null }
        assert run() instanceof AgentLost
        assert nodes == 3
        assert steps.last() == 'report failed'
        assert surroundings['report failed'].contains('node mlops') && surroundings['report failed'].contains('timeout 10')
    }

    @Test
    void 'an agent lost in production deploys again from what Jenkins kept'() {
        boolean gone = false
        faults['deploy production'] = { if (!gone) { gone = true; new AgentLost() } }
        assert run() == null
        assert steps.count('unstash') == 2 && steps.count('publish') == 1
        assert steps.last() == 'report success'
    }

    @Test
    void 'each deployment holds the lock of its environment'() {
        run()
        assert 'lock mlops-churn-staging' in surroundings['deploy staging']
        assert 'lock mlops-churn-production' in surroundings['deploy production']
        assert 'lock mlops-churn-production' in surroundings['deployment production success']
        Set locked = surroundings.findAll { it.value.any { it.startsWith('lock') } }.keySet()
        assert locked.every { it.contains('deploy') || it.startsWith('report success --stage') }
        // To wait for a lock is not to be late.
        assert surroundings['deploy staging'].findIndexOf { it.startsWith('lock') } < surroundings['deploy staging'].findIndexOf { it == 'timeout 60' }
    }

    @Test
    void 'it runs on the agents of the label'() {
        run()
        assert 'node mlops' in surroundings.train
        run('agent: "gpu"')
        assert 'node gpu' in surroundings.train && 'node gpu' in surroundings['deploy production'] && 'node gpu' in surroundings['report success']
    }

    // --- as Jenkins runs it: transformed, and written to disk and read back at every step -------------------------------------------------------

    void transformed() {
        library.helper = new PipelineTestHelperCPS()
        registerSteps()
    }

    @Test
    void 'transformed as in Jenkins it goes to production'() {
        transformed()
        policy = ASKING
        assert run('timeouts: [unit: 5], approval: "never"') == null
        assert stages() == RELEASE[0..-3] + ['Approval', 'Production', 'Report']
        assert steps.last() == 'report success'
    }

    @Test
    void 'transformed as in Jenkins it comes too early'() {
        transformed()
        tooEarly()
    }

    @Test
    void 'transformed as in Jenkins it stops and reports'() {
        transformed()
        stopsCheck('validate', 'Model validation')
    }

    // --- credentials --------------------------------------------------------------------------------------------------------------------------

    @Test
    void 'credentials are there only where they are needed'() {
        run()
        Map<String, Closure> rule = ['store-publisher': { it == 'publish' }, 'signing-key': { it == 'publish' }, 'vault-password': { it.startsWith('deploy ') },
                                     'monitoring': { it in ['reason', 'validate', 'gate'] }, 'store-reader': { it == 'validate' },
                                     'gitlab-api': { it ==~ /(report|comment|deployment).*/ }]
        rule.each { id, needs ->
            surroundings.each { step, given -> assert (id in given) == needs(step): "${id} around ${step}" }
        }
        assert surroundings.findAll { it.key != 'input' }.every { 'model-policy' in it.value }
    }

    @Test
    void 'what a site does not have is not bound'() {
        policy = '{"model": "churn", "environments": ["staging", "production"]}'
        run()
        assert surroundings['validate'].intersect(['monitoring', 'store-reader']) == []
        assert !('vault-password' in surroundings['deploy production'])
    }

    @Test
    void 'no secret is in a command'() {
        variables.VAULT_PASSWORD = 'opensesame'
        variables.MLOPS_STORE_PASSWORD = 'opensesame'
        variables.MLOPS_GITLAB_TOKEN = 'opensesame'
        run()
        assert !steps.any { it.contains('opensesame') }
    }

    // --- what a project may say -----------------------------------------------------------------------------------------------------------------

    @Test
    void 'checks can be left out, unit tests and validation cannot'() {
        run('lint: false, integration: false, data: false')
        assert 'parallel Unit tests, Model validation' in steps
        steps.clear()
        assert run('unit: false').message.contains("unknown key 'unit'")
    }

    @Test
    void 'stages of the project come between the checks and the package'() {
        run('extra: { stage("Fairness") { sh "make fairness" } }')
        assert stages() - BEFORE == ['Extra', 'Fairness', 'Package', 'Publish', 'Staging', 'Gate', 'Production', 'Report']
        assert 'make fairness' in steps
        steps.clear()
        faults['make fairness'] = new IllegalStateException('unfair')
        assert run('extra: { stage("Fairness") { sh "make fairness" } }').is(faults['make fairness'])
        assert !('Package' in stages())
        assert "report failed --stage 'Extra'".toString() in steps
    }

    void refusedConfig(String given, String message) {
        steps.clear()
        assert run(given).message == message
        assert !('Checkout' in stages())
        assert steps.last() == 'report failed'
    }

    @Test
    void 'what a project says wrongly is refused by name, and reported'() {
        refusedConfig('agnet: "gpu"', "modelPipeline: unknown key 'agnet'; known: agent, approval, data, extra, integration, lint, timeouts")
        refusedConfig('timeouts: [tests: 5]', "modelPipeline: timeouts: unknown key 'tests'; known: approval, checkout, data, deploy, environment, extra, " +
                      'gate, integration, lint, package, publish, report, unit, validation')
        refusedConfig('timeouts: [unit: 0]', "modelPipeline: timeouts.unit must be a whole number of minutes, at least 1, not '0'")
        refusedConfig('timeouts: [unit: "5"]', "modelPipeline: timeouts.unit must be a whole number of minutes, at least 1, not '5'")
        refusedConfig('lint: "no"', "modelPipeline: lint must be true or false, not 'no'")
        refusedConfig('approval: "staging"', "modelPipeline: approval must be 'never' or 'production', not 'staging'")
        refusedConfig('extra: "make"', "modelPipeline: extra must be a closure with stages, not 'make'")
    }

    // --- GitLab away ----------------------------------------------------------------------------------------------------------------------------

    @Test
    void 'a GitLab that is away stops no release, and is seen'() {
        for (step in ['report', 'deployment']) faults[step] = new IllegalStateException('connection refused')
        assert run() == null
        assert result == 'UNSTABLE'
        assert 'deploy production' in steps
        assert 'echo GitLab was not told: report success: connection refused' in steps
    }

    @Test
    void 'a GitLab that is away hides no failure'() {
        faults.report = new IllegalStateException('connection refused')
        faults.unit = new IllegalStateException('script returned exit code 1')
        assert run().is(faults.unit)
        assert result == 'FAILURE'
    }
}
