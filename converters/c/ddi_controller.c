/* Layer gate -> channel gate -> cheapest variant that covers the wanted
 * channels -> exit test (Dual Dynamic Inference, Section 3); hard budget.
 *
 * A graph only starts if what is left afterwards pays for the cheapest way to
 * the next answer. Sums of MACs cannot overflow: the exporter refuses a bundle
 * whose graphs have 2^31 or more in all.
 */
#include "ddi_controller.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* One image's way through the plan. */
typedef struct {
    const ddi_plan *plan;
    ddi_run_graph run;
    void *user;
    uint32_t limit, spent; /* MACs */
    float *state;          /* of the layer gates */
    void *scratch;         /* probabilities, a mask or logits */
    int8_t *features;
    uint32_t feature_bytes;
} ddi_walk;

/* What an exit's logits amount to. */
typedef struct {
    int label;
    float entropy, probability;
} ddi_opinion;

int8_t *ddi_features(const ddi_plan *plan, float *work)
{
    return (int8_t *)(work + plan->features_at);
}

static uint32_t left(const ddi_walk *walk)
{
    return walk->limit - walk->spent;
}

/* Runs a graph, and pays for it. */
static int execute(ddi_walk *walk, int graph, const ddi_input *inputs,
                   int input_count, const ddi_output *outputs, int output_count)
{
    walk->spent += walk->plan->graph_macs[graph];
    return walk->run(walk->user, graph, inputs, input_count, outputs,
                     output_count) ? DDI_ERROR_GRAPH : DDI_OK;
}

/* Runs a graph that replaces the features; a mask of 0 bytes is none. */
static int transform(ddi_walk *walk, int graph, uint32_t mask_bytes,
                     uint32_t feature_bytes)
{
    const ddi_input inputs[2] = {{walk->features, walk->feature_bytes},
                                 {walk->scratch, mask_bytes}};
    const ddi_output output = {walk->features, feature_bytes};
    walk->feature_bytes = feature_bytes;
    return execute(walk, graph, inputs, mask_bytes ? 2 : 1, &output, 1);
}

/* Runs a graph that looks at the features and writes to the scratch memory. */
static int look(ddi_walk *walk, int graph, uint32_t bytes)
{
    const ddi_input input = {walk->features, walk->feature_bytes};
    const ddi_output output = {walk->scratch, bytes};
    return execute(walk, graph, &input, 1, &output, 1);
}

static int ask_layer_gate(ddi_walk *walk, int graph, int *is_open)
{
    const float *probability = walk->scratch;
    const uint32_t bytes = walk->plan->state_bytes;
    const ddi_input inputs[2] = {{walk->features, walk->feature_bytes},
                                 {walk->state, bytes}};
    const ddi_output outputs[2] = {{walk->scratch, sizeof(float)},
                                   {walk->state, bytes}};
    const int error = execute(walk, graph, inputs, 2, outputs, 2);
    *is_open = error ? 0 : probability[0] >= 0.5f;
    return error;
}

/* The channel groups that the gates want; none to skip the block. */
static int ask(ddi_walk *walk, const ddi_step *step, ddi_groups *wanted)
{
    const float *chances = walk->scratch;
    int is_open = 1, error = DDI_OK, group;
    *wanted = 0;
    if (step->layer_gate != DDI_NONE) {
        error = ask_layer_gate(walk, step->layer_gate, &is_open);
    }
    if (error || !is_open) {
        return error;
    }
    if (step->channel_gate != DDI_NONE) {
        error = look(walk, step->channel_gate,
                     (uint32_t)(step->groups * sizeof(float)));
        if (error) {
            return error;
        }
    }
    for (group = 0; group < step->groups; group++) {
        if (step->channel_gate == DDI_NONE || chances[group] >= 0.5f) {
            *wanted |= (ddi_groups)1 << group;
        }
    }
    return DDI_OK;
}

/* The cheapest variant that covers `wanted`; NULL where none does. */
static const ddi_variant *cheapest(const ddi_step *step, ddi_groups wanted)
{
    const ddi_variant *best = NULL;
    int index;
    for (index = 0; wanted && index < step->variant_count; index++) {
        const ddi_variant *variant = &step->variants[index];
        const int covers = variant->masked
            ? (wanted & ~variant->groups) == 0 : wanted == variant->groups;
        if (covers && (best == NULL || variant->macs < best->macs)) {
            best = variant;
        }
    }
    return best;
}

/* Writes the mask that a variant needs to run `wanted`; returns its bytes. */
static uint32_t write_mask(int8_t *mask, const ddi_variant *variant,
                           ddi_groups wanted)
{
    uint32_t bytes = 0;
    ddi_groups rest;
    for (rest = variant->masked ? variant->groups : 0; rest; rest &= rest - 1) {
        const ddi_groups group = rest & (~rest + 1); /* its lowest bit */
        mask[bytes++] = wanted & group ? variant->open : variant->closed;
    }
    return bytes;
}

/* Decides about a block and runs it; `ran` says with which groups. */
static int pass(ddi_walk *walk, const ddi_step *step, ddi_groups *ran)
{
    const ddi_variant *variant = NULL;
    ddi_groups wanted = step->skippable ? 0 : 1;
    if (step->skippable && step->ask_macs + step->reserve_macs <= left(walk)) {
        const int error = ask(walk, step, &wanted);
        if (error) {
            return error;
        }
    }
    variant = cheapest(step, wanted);
    if (variant && variant->macs + step->reserve_macs <= left(walk)) {
        *ran = wanted;
        return transform(walk, variant->graph,
                         write_mask(walk->scratch, variant, wanted),
                         step->feature_bytes);
    }
    *ran = 0;
    return step->skip == DDI_NONE
        ? DDI_OK : transform(walk, step->skip, 0, step->feature_bytes);
}

/* Softmax and its entropy. Only differences of logits matter: no zero point. */
static ddi_opinion opinion_of(const int8_t *logits, int count, float scale)
{
    ddi_opinion opinion = {0, 0.0f, 0.0f};
    float total = 0.0f, mean = 0.0f;
    int index;
    for (index = 1; index < count; index++) {
        if (logits[index] > logits[opinion.label]) {
            opinion.label = index;
        }
    }
    for (index = 0; index < count; index++) {
        const float shifted =
            scale * (float)(logits[index] - logits[opinion.label]);
        const float exponential = expf(shifted);
        total += exponential;
        mean += exponential * shifted;
    }
    /* -sum p log p with log p = shifted - log total. */
    opinion.entropy = logf(total) - mean / total;
    opinion.probability = 1.0f / total;
    return opinion;
}

/* Asks exit number `exit`. */
static int consult(ddi_walk *walk, int exit, ddi_opinion *opinion)
{
    const ddi_exit *way_out = &walk->plan->exits[exit];
    const int error = look(walk, way_out->graph, walk->plan->label_count);
    if (!error) {
        *opinion = opinion_of(walk->scratch, walk->plan->label_count,
                              way_out->scale);
    }
    return error;
}

/* Whether the image leaves behind a block; an exit that is off is only asked if
 * a budget ends there. */
static int leave(ddi_walk *walk, const ddi_step *step, float threshold,
                 ddi_opinion *opinion, int *leaves)
{
    const uint32_t macs =
        walk->plan->graph_macs[walk->plan->exits[step->exit].graph];
    const int is_last = left(walk) < step->onward_macs;
    int error;
    *leaves = 0;
    if (!is_last && (threshold < 0.0f || left(walk) < macs)) {
        return DDI_OK;
    }
    error = consult(walk, step->exit, opinion);
    if (!error) {
        *leaves = left(walk) < step->onward_macs
            || opinion->entropy <= threshold;
    }
    return error;
}

/* Walks until an exit or the head has answered. */
static int answer_image(ddi_walk *walk, const float *thresholds,
                        ddi_opinion *opinion, ddi_answer *answer)
{
    const ddi_plan *plan = walk->plan;
    int error = transform(walk, plan->stem, 0, plan->stem_bytes), leaves = 0;
    answer->exit = plan->exit_count;
    for (answer->steps = 0; !error && answer->steps < plan->step_count;) {
        const ddi_step *step = &plan->steps[answer->steps];
        ddi_groups ran = 0;
        error = pass(walk, step, &ran);
        if (answer->path) {
            answer->path[answer->steps] = ran;
        }
        answer->steps++;
        if (!error && step->exit != DDI_NONE) {
            error = leave(walk, step,
                          thresholds ? thresholds[step->exit] : DDI_OFF,
                          opinion, &leaves);
        }
        if (leaves) {
            answer->exit = step->exit;
            return error;
        }
    }
    return error ? error : consult(walk, plan->exit_count, opinion);
}

/* Turns bytes into the stem's int8 input; the two may not overlap. */
static void prepare(const ddi_plan *plan, const uint8_t *image, int8_t *input)
{
    uint32_t index;
    uint32_t channel = 0;
    for (index = 0; index < plan->image_bytes; index++) {
        input[index] = plan->pixels[256 * channel + image[index]];
        channel = channel + 1 == plan->channels ? 0 : channel + 1;
    }
}

int ddi_classify(const ddi_plan *plan, const uint8_t *image,
                 const float *thresholds, uint32_t max_macs, float *work,
                 ddi_run_graph run, void *user, ddi_answer *answer)
{
    ddi_walk walk;
    ddi_opinion opinion = {0, 0.0f, 0.0f};
    int error;
    walk.plan = plan;
    walk.run = run;
    walk.user = user;
    walk.limit = max_macs ? max_macs : UINT32_MAX;
    walk.spent = 0;
    walk.state = work;
    walk.scratch = work + plan->scratch_at;
    walk.features = ddi_features(plan, work);
    walk.feature_bytes = plan->image_bytes;
    answer->macs = 0;
    if (walk.limit < plan->cheapest_macs) {
        return DDI_ERROR_BUDGET;
    }
    memset(walk.state, 0, plan->state_bytes);
    if (image) {
        prepare(plan, image, walk.features);
    }
    error = answer_image(&walk, thresholds, &opinion, answer);
    answer->label = opinion.label;
    answer->entropy = opinion.entropy;
    answer->probability = opinion.probability;
    answer->macs = walk.spent;
    answer->logits = walk.scratch;
    return error;
}
