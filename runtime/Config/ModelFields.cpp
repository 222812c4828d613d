// config.json: Transformers' LlamaConfig and PretrainedConfig, and what other tools and other families write beside
// them.
#include "runtime/Config/ModelFields.h"

namespace ft::rt {

namespace {

constexpr std::string_view noBias = "biases are not supported",
                           noScaling = "scaled rotary embeddings are not supported",
                           noDropout = "dropout in the base is not supported; lora.lora_dropout is",
                           noExperts = "experts are not supported", noWindow = "windows of attention are not supported",
                           noMultiplier = "multipliers of other families are not supported",
                           noQuantised = "quantised bases are not supported; give the model's own weights",
                           noNorms = "further norms are not supported";

constexpr Field fieldsOfConfig[] = {
    readField("_name_or_path"),
    readField("head_dim"),
    readField("hidden_size"),
    readField("intermediate_size"),
    readField("layer_types"),
    readField("max_position_embeddings"),
    readField("num_attention_heads"),
    readField("num_hidden_layers"),
    readField("num_key_value_heads"),
    readField("quantization_config"),
    readField("rms_norm_eps"),
    readField("rope_parameters"),
    readField("rope_scaling"),
    readField("rope_theta"),
    readField("sliding_window"),
    readField("tie_word_embeddings"),
    readField("vocab_size"),

    only("architectures", R"([["LlamaForCausalLM"]])", "nothing else is supported"),
    only("hidden_act", R"(["silu","swish"])", "nothing else is supported"), // two names of one function
    only("model_type", R"(["llama"])", "nothing else is supported"),

    only("add_cross_attention", "[false]", "nothing else is supported"),
    only("alibi", "[false]", "positions are rotary embeddings"),
    only("attention_bias", "[false]", noBias),
    only("attention_chunk_size", "[]", noWindow),
    only("attention_dropout", "[0]", noDropout),
    only("attention_multiplier", "[]", noMultiplier),
    only("attention_probs_dropout_prob", "[0]", noDropout),
    only("attn_logit_softcapping", "[]", "capped logits are not supported"),
    only("chunk_size_feed_forward", "[0]", "nothing else is supported"),
    only("clip_qkv", "[]", "clipping of q, k and v is not supported"),
    only("compression_config", "[]", noQuantised),
    only("cross_attention_hidden_size", "[]", "nothing else is supported"),
    only("embd_pdrop", "[0]", noDropout),
    only("embedding_multiplier", "[1]", noMultiplier),
    only("final_logit_softcapping", "[]", "capped logits are not supported"),
    only("hidden_dropout", "[0]", noDropout),
    only("hidden_dropout_prob", "[0]", noDropout),
    only("is_encoder_decoder", "[false]", "nothing else is supported"),
    only("logit_scale", "[1]", noMultiplier),
    only("logits_scaling", "[1]", noMultiplier),
    only("mlp_bias", "[false]", noBias),
    only("n_routed_experts", "[0]", noExperts),
    only("no_rope_layers", "[[]]", "layers without rotary embeddings are not supported"),
    only("num_experts", "[0]", noExperts),
    only("num_experts_per_tok", "[0]", noExperts),
    only("num_local_experts", "[0]", noExperts),
    only("num_nextn_predict_layers", "[0]", "layers that predict further tokens are not supported"),
    only("partial_rotary_factor", "[1]", "heads are rotated whole"),
    only("pruned_heads", "[{}]", "nothing else is supported"),
    only("qk_layernorm", "[false]", noNorms),
    only("qkv_bias", "[false]", noBias),
    only("query_pre_attn_scalar", "[]", noMultiplier),
    only("resid_pdrop", "[0]", noDropout),
    only("residual_multiplier", "[1]", noMultiplier),
    only("rope_interleaved", "[false]", "the halves of a head are rotated"),
    only("rotary_pct", "[1]", "heads are rotated whole"),
    only("scale_depth", "[]", noMultiplier),
    only("scale_emb", "[1]", noMultiplier),
    only("tie_encoder_decoder", "[false]", "nothing else is supported"),
    only("use_parallel_residual", "[false]", "nothing else is supported"),
    only("use_qk_norm", "[false]", noNorms),
    only("use_sliding_window", "[false]", noWindow),

    // Which program reads the model, and how it computes the same.
    harmless("_attn_implementation"),
    harmless("_attn_implementation_autoset"),
    harmless("_attn_implementation_internal"),
    harmless("_commit_hash"),
    harmless("_flash_attn_2_enabled"),
    harmless("attn_implementation"),
    harmless("auto_map"),
    harmless("dtype"),
    harmless("gradient_checkpointing"),
    harmless("initializer_range"),
    harmless("is_decoder"),
    harmless("is_llama_config"),
    harmless("keys_to_ignore_at_inference"),
    harmless("name_or_path"),
    harmless("output_attentions"),
    harmless("output_hidden_states"),
    harmless("pretraining_tp"), // splits products into sums of the same value
    harmless("return_dict"),
    harmless("tf_legacy_loss"),
    harmless("torch_dtype"),
    harmless("torchscript"),
    harmless("transformers.js_config"),
    harmless("transformers_version"),
    harmless("unsloth_fixed"),
    harmless("unsloth_version"),
    harmless("use_bfloat16"),
    harmless("use_cache"),
    harmless("use_flash_attention_2"),
    harmless("use_flash_attn"),
    // Other heads, other tasks, and lengths that bound nothing here.
    harmless("classifier_dropout"),
    harmless("finetuning_task"),
    harmless("id2label"),
    harmless("label2id"),
    harmless("max_sequence_length"),
    harmless("max_window_layers"), // of use_sliding_window
    harmless("model_max_length"),
    harmless("num_labels"),
    harmless("problem_type"),
    harmless("task_specific_params"),
    // Tokens, which the tokenizer's files say again.
    harmless("bos_token_id"),
    harmless("cls_token_id"),
    harmless("decoder_start_token_id"),
    harmless("eos_token_id"),
    harmless("mask_token_id"),
    harmless("pad_token_id"),
    harmless("prefix"),
    harmless("sep_token_id"),
    harmless("tokenizer_class"),
    harmless("unk_token_id"),
    // Generation.
    harmless("bad_words_ids"),
    harmless("begin_suppress_tokens"),
    harmless("diversity_penalty"),
    harmless("do_sample"),
    harmless("early_stopping"),
    harmless("encoder_no_repeat_ngram_size"),
    harmless("exponential_decay_length_penalty"),
    harmless("forced_bos_token_id"),
    harmless("forced_eos_token_id"),
    harmless("length_penalty"),
    harmless("max_length"),
    harmless("max_new_tokens"),
    harmless("min_length"),
    harmless("no_repeat_ngram_size"),
    harmless("num_beam_groups"),
    harmless("num_beams"),
    harmless("num_return_sequences"),
    harmless("output_scores"),
    harmless("remove_invalid_values"),
    harmless("repetition_penalty"),
    harmless("return_dict_in_generate"),
    harmless("suppress_tokens"),
    harmless("temperature"),
    harmless("top_k"),
    harmless("top_p"),
    harmless("typical_p"),
};

constexpr Field fieldsOfRope[] = {
    readField("rope_theta"),
    readField("rope_type"),
    readField("type"),
    only("factor", "[1]", noScaling),
    only("partial_rotary_factor", "[1]", "heads are rotated whole"),
    harmless("original_max_position_embeddings"), // of the types that scale
};

// BitsAndBytesConfig. What products compute in is the recipe's to say.
constexpr Field fieldsOfQuantization[] = {
    readField("bnb_4bit_quant_type"),
    readField("llm_int8_skip_modules"),
    readField("load_in_4bit"),
    readField("quant_method"),
    only("load_in_8bit", "[false]", noQuantised),
    only("_load_in_8bit", "[false]", noQuantised),
    harmless("_load_in_4bit"),
    harmless("bnb_4bit_compute_dtype"),
    harmless("bnb_4bit_quant_storage"),
    harmless("bnb_4bit_use_double_quant"), // the tensors say it as well
    harmless("llm_int8_enable_fp32_cpu_offload"),
    harmless("llm_int8_has_fp16_weight"),
    harmless("llm_int8_threshold"),
};

} // namespace

std::span<const Field> quantizationFields() { return fieldsOfQuantization; }
std::span<const Field> configFields() { return fieldsOfConfig; }
std::span<const Field> ropeFields() { return fieldsOfRope; }

} // namespace ft::rt
