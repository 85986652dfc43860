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
    float *layer_state, *channel_state;
    void *scratch;         /* chances, a mask, appended channels or logits */
    int8_t *features;
    uint32_t feature_bytes;
} ddi_walk;

int8_t *ddi_features(const ddi_plan *plan, float *work)
{
    return (int8_t *)(work + plan->features_at);
}

static uint32_t left(const ddi_walk *walk)
{
    return walk->limit - walk->spent;
}

/* Runs a graph on the features, and pays; what has 0 bytes is not there. */
static int execute(ddi_walk *walk, int graph, ddi_input other,
                   ddi_output output, ddi_output state)
{
    const ddi_input inputs[2] = {{walk->features, walk->feature_bytes}, other};
    const ddi_output outputs[2] = {output, state};
    walk->spent += walk->plan->graph_macs[graph];
    return walk->run(walk->user, graph, inputs, other.bytes ? 2 : 1, outputs,
                     state.bytes ? 2 : 1) ? DDI_ERROR_GRAPH : DDI_OK;
}

/* Runs a graph that takes a mask of so many bytes; 0 if it takes none. */
static int run_graph(ddi_walk *walk, int graph, uint32_t mask_bytes,
                     void *to, uint32_t bytes)
{
    const ddi_input mask = {walk->scratch, mask_bytes};
    const ddi_output output = {to, bytes}, none = {NULL, 0};
    return execute(walk, graph, mask, output, none);
}

/* Asks a gate for its chances, into the scratch memory. */
static int ask_gate(ddi_walk *walk, int graph, int chances, float *state,
                    uint32_t state_bytes)
{
    const ddi_input before = {state, state_bytes};
    const ddi_output after = {state, state_bytes};
    const ddi_output output = {
        walk->scratch, (uint32_t)chances * (uint32_t)sizeof(float)};
    return execute(walk, graph, before, output, after);
}

/* The channel groups that the gates want; none to skip the block. */
static int ask(ddi_walk *walk, const ddi_step *step, ddi_groups *wanted)
{
    const ddi_plan *plan = walk->plan;
    const float *chances = walk->scratch;
    *wanted = 0;
    if (step->layer_gate != DDI_NONE) {
        if (ask_gate(walk, step->layer_gate, 1, walk->layer_state,
                     plan->layer_state_bytes)) {
            return DDI_ERROR_GRAPH;
        }
        if (!(chances[0] >= 0.5f)) {
            return DDI_OK;
        }
    }
    if (step->channel_gate == DDI_NONE) {
        *wanted = step->settled;
        return DDI_OK;
    }
    if (ask_gate(walk, step->channel_gate, step->groups, walk->channel_state,
                 plan->channel_state_bytes)) {
        return DDI_ERROR_GRAPH;
    }
    for (int group = 0; group < step->groups; group++) {
        *wanted |= (ddi_groups)(chances[group] >= 0.5f) << group;
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

/* Puts channels behind each pixel's own: from the scratch memory, or zeros. */
static void append(ddi_walk *walk, const ddi_step *step, int is_skipped)
{
    const int8_t *own = walk->scratch;
    const uint32_t added = step->appended;
    const uint32_t pixels = (step->feature_bytes - walk->feature_bytes) / added;
    const uint32_t received = walk->feature_bytes / pixels;
    uint32_t pixel = pixels;
    while (pixel-- > 0) { /* the last one first: where it goes, others lie */
        int8_t *place = walk->features + pixel * (received + added);
        memmove(place, walk->features + pixel * received, received);
        if (is_skipped) {
            memset(place + received, step->zero, added);
        } else {
            memcpy(place + received, own + pixel * added, added);
        }
    }
}

/* Leaves a block's features; `graph` is what runs, DDI_NONE if nothing does. */
static int pass(ddi_walk *walk, const ddi_step *step, int graph,
                uint32_t mask_bytes)
{
    const int is_skipped = graph == DDI_NONE;
    const uint32_t kept = step->appended ? walk->feature_bytes : 0;
    const int error = is_skipped ? DDI_OK : run_graph(
        walk, graph, mask_bytes,
        step->appended ? walk->scratch : walk->features,
        step->feature_bytes - kept);
    if (step->appended) {
        append(walk, step, is_skipped);
    }
    walk->feature_bytes = step->feature_bytes;
    return error;
}

/* Decides about a block and runs it; `ran` says with which groups. */
static int decide(ddi_walk *walk, const ddi_step *step, ddi_groups *ran)
{
    const ddi_groups least = step->skippable ? 0 : step->settled;
    const ddi_variant *variant = NULL;
    if (step->ask_macs + step->reserve_macs <= left(walk)
            && ask(walk, step, ran)) {
        return DDI_ERROR_GRAPH;
    }
    *ran |= least;
    variant = cheapest(step, *ran);
    if (variant && variant->macs + step->reserve_macs > left(walk)) {
        *ran = least;
        variant = cheapest(step, least);
    }
    return variant == NULL ? pass(walk, step, step->skip, 0)
        : pass(walk, step, variant->graph,
               write_mask(walk->scratch, variant, *ran));
}

/* Softmax and its entropy. Only differences of logits matter: no zero point. */
static void judge(ddi_answer *answer, const int8_t *logits, int count,
                  float scale, int min_entropy)
{
    float others = 0.0f, mean = 0.0f;
    int index;
    answer->label = 0;
    for (index = 1; index < count; index++) {
        if (logits[index] > logits[answer->label]) {
            answer->label = index;
        }
    }
    for (index = 0; index < count; index++) {
        const float shifted =
            scale * (float)(logits[index] - logits[answer->label]);
        const float exponential = expf(shifted);
        others += index == answer->label ? 0.0f : exponential;
        mean += exponential * shifted;
    }
    /* -log max p, or -sum p log p, with log p = shifted - log(1 + others). */
    answer->probability = 1.0f / (1.0f + others);
    answer->entropy = log1pf(others)
        - (min_entropy ? 0.0f : mean * answer->probability);
}

/* Asks exit number `exit`. */
static int consult(ddi_walk *walk, int exit, ddi_answer *answer)
{
    const ddi_exit *way_out = &walk->plan->exits[exit];
    const uint16_t labels = walk->plan->label_count;
    if (run_graph(walk, way_out->graph, 0, walk->scratch, labels)) {
        return DDI_ERROR_GRAPH;
    }
    answer->exit = exit;
    judge(answer, walk->scratch, labels, way_out->scale,
          walk->plan->min_entropy);
    return DDI_OK;
}

/* Whether the image leaves behind a block; an exit that is off is only asked if
 * a budget ends there. */
static int leave(ddi_walk *walk, const ddi_step *step, float threshold,
                 ddi_answer *answer, int *leaves)
{
    const uint32_t macs =
        walk->plan->graph_macs[walk->plan->exits[step->exit].graph];
    const int is_last = left(walk) < step->onward_macs;
    *leaves = 0;
    if (!is_last && (threshold < 0.0f || left(walk) < macs)) {
        return DDI_OK;
    }
    if (consult(walk, step->exit, answer)) {
        return DDI_ERROR_GRAPH;
    }
    *leaves = left(walk) < step->onward_macs || answer->entropy <= threshold;
    return DDI_OK;
}

/* Walks until an exit or the head has answered. */
static int answer_image(ddi_walk *walk, const float *thresholds,
                        ddi_answer *answer)
{
    const ddi_plan *plan = walk->plan;
    int leaves = 0, error = run_graph(
        walk, plan->stem, 0, walk->features, plan->stem_bytes);
    walk->feature_bytes = plan->stem_bytes;
    for (answer->steps = 0; !error && answer->steps < plan->step_count;) {
        const ddi_step *step = &plan->steps[answer->steps];
        ddi_groups ran = 0;
        error = decide(walk, step, &ran);
        if (answer->path) {
            answer->path[answer->steps] = ran;
        }
        answer->steps++;
        if (!error && step->exit != DDI_NONE) {
            error = leave(walk, step,
                          thresholds ? thresholds[step->exit] : DDI_OFF,
                          answer, &leaves);
        }
        if (leaves) {
            return DDI_OK;
        }
    }
    return error ? error : consult(walk, plan->exit_count, answer);
}

/* Turns bytes into the stem's int8 input; the two may not overlap. */
static void prepare(const ddi_plan *plan, const uint8_t *image, int8_t *input)
{
    uint32_t index, channel = 0;
    for (index = 0; index < plan->image_bytes; index++) {
        input[index] = plan->pixels[256 * channel + image[index]];
        channel = channel + 1 == plan->channels ? 0 : channel + 1;
    }
}

int ddi_classify(const ddi_plan *plan, const uint8_t *image,
                 const float *thresholds, uint32_t max_macs, float *work,
                 ddi_run_graph run, void *user, ddi_answer *answer)
{
    ddi_walk walk = {
        .plan = plan, .run = run, .user = user,
        .limit = max_macs ? max_macs : UINT32_MAX, .spent = 0,
        .layer_state = work,
        .channel_state = work + plan->layer_state_bytes / sizeof(float),
        .scratch = work + plan->scratch_at,
        .features = ddi_features(plan, work),
        .feature_bytes = plan->image_bytes};
    int error;
    answer->macs = 0;
    if (walk.limit < plan->cheapest_macs) {
        return DDI_ERROR_BUDGET;
    }
    memset(work, 0, plan->layer_state_bytes + plan->channel_state_bytes);
    if (image) {
        prepare(plan, image, walk.features);
    }
    error = answer_image(&walk, thresholds, answer);
    answer->macs = walk.spent;
    answer->logits = walk.scratch;
    return error;
}
